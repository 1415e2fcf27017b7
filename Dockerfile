# Screening only: the base install, no torch. Build: docker build -t osteolens .   Run: see README.
# The node: docker build --build-arg EXTRAS=node,dicom -t osteolens-node .
FROM python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY . .
ARG EXTRAS=
RUN pip install --no-cache-dir ".${EXTRAS:+[$EXTRAS]}"
RUN useradd --create-home reader && install -d -o reader -g reader -m 700 /var/lib/osteolens
USER reader
ENTRYPOINT ["osteolens"]
