"""The in-silico cohort: people, bones, tissue, X-ray and DXA. Imports cohort only; needs the extra 'train'."""
