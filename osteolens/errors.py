"""The tree of errors.

OsteoLensError
├── ConfigError        a setting, option or manifest that cannot be used
├── ReadError          a file that cannot be read
│   └── NotRadiograph  a readable file that is not one single-frame grey radiograph
├── OutputError        results that cannot be written
├── StudyError         a study that cannot be screened as it stands
├── WeightsError       weights that are missing, altered or of another version
├── AnatomyError       an anatomy folder that lacks a bone or holds a broken mesh
└── MissingExtra       a command that needs a package outside the base install
"""


class OsteoLensError(Exception):
    """Any failure that OsteoLens can explain: what was found, what was expected, where, what to do."""


class ConfigError(OsteoLensError):
    """A setting, option or manifest that cannot be used."""


class ReadError(OsteoLensError):
    """A file that cannot be read."""


class NotRadiograph(ReadError):
    """A readable file that is not one single-frame grey radiograph."""


class OutputError(OsteoLensError):
    """Results that cannot be written: a full disk, a folder without rights, or another run in it."""


class StudyError(OsteoLensError):
    """A study that cannot be screened as it stands."""


class WeightsError(OsteoLensError):
    """Weights that are missing, altered or of another version."""


class AnatomyError(OsteoLensError):
    """An anatomy folder that lacks a bone or holds a broken mesh."""


class MissingExtra(OsteoLensError):
    """A command that needs packages outside the base install."""

    def __init__(self, command: str, package: str, extra: str = "train") -> None:
        super().__init__(
            f"{command} needs the package {package}, which the base install leaves out; "
            f"install it with: pip install 'osteolens[{extra}]'"
        )
