# Three images, none with torch. They run as a user without rights and need no writable file system but /results, /tmp and their own state.
#   docker build --target process -t osteolens .          docker build --target node -t osteolens-node .
#   docker build --target review -t osteolens-review .    How to run them: docs/how-to/deploy.md
FROM python:3.11-slim AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim AS base
# libraries that opencv-python loads; Debian replaces old versions, so none is pinned
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 reader \
    && install -d -o reader -g reader -m 700 /var/lib/osteolens /results
ENV PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=/tmp/matplotlib
ENTRYPOINT ["osteolens"]

FROM base AS node
# hadolint ignore=DL3013
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    wheel=$(ls /wheels/*.whl) && pip install --no-cache-dir "${wheel}[node,dicom]"
USER 1000
VOLUME /var/lib/osteolens
EXPOSE 11112
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8105/health', timeout=5)"]
CMD ["node", "run", "--config", "/etc/osteolens/node.yaml"]

FROM base AS review
# hadolint ignore=DL3013
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    wheel=$(ls /wheels/*.whl) && pip install --no-cache-dir "${wheel}[review,dicom]"
USER 1000
EXPOSE 8765
# the page answers nobody without the token of its link; that it answers at all is what is checked
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python", "-c", "import socket; socket.create_connection(('127.0.0.1', 8765), 5).close()"]
CMD ["review", "/results", "/films", "--host", "0.0.0.0", "--port", "8765"]

FROM base AS process
# hadolint ignore=DL3013
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir /wheels/*.whl
USER 1000
VOLUME /results
# a run that ends says so by its exit code; while it works, its models must load
HEALTHCHECK --interval=5m --timeout=60s CMD ["osteolens", "info"]
CMD ["process", "/films", "--out", "/results"]
