# Screening only: the base install, no torch. Build: docker build -t osteolens .   Run: see README.
FROM python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY . .
RUN pip install --no-cache-dir .
RUN useradd --create-home reader
USER reader
ENTRYPOINT ["osteolens"]
