# One image for the three services of compose.yaml: code server, webserver, daemon.
FROM python:3.11-slim-bookworm

# Nobody in the container is root; who maps /data to a folder of the host gives it to this number.
RUN useradd --uid 10001 --create-home claims && mkdir -p /data/landing /data/lakehouse && chown -R claims /data

WORKDIR /srv/claims
COPY pyproject.toml constraints.txt README.md ./
COPY claims_lakehouse ./claims_lakehouse
RUN pip install --no-cache-dir --constraint constraints.txt '.[postgres]'
COPY workspace.yaml deploy/workspace.services.yaml ./

ENV CLAIMS_LANDING=/data/landing \
    CLAIMS_HOME=/data/lakehouse \
    DAGSTER_HOME=/data/lakehouse/dagster \
    PYTHONUNBUFFERED=1
USER claims
VOLUME ["/data/landing", "/data/lakehouse"]
# Without compose: everything in one container. `docker run -p 127.0.0.1:3000:3000 …`
CMD ["claims", "ui", "--host", "0.0.0.0"]
