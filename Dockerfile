# The service in one container: an embedded PostgreSQL in the volume, or another one by DATABASE_URL.
# Not yet built anywhere: the machines this was written on have no container engine. So its steps are few.

FROM python:3.11-slim-bookworm AS packages
COPY locks/runtime.lock /
RUN python -m venv /opt/openseal
RUN /opt/openseal/bin/pip install --no-cache-dir --only-binary :all: --require-hashes -r /runtime.lock

FROM node:24-bookworm-slim AS assets
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY crypto /app/crypto
COPY bids /app/bids
COPY procurement /app/procurement
RUN node procurement/web/assets.mjs

FROM python:3.11-slim-bookworm
RUN useradd --system --user-group --uid 900 --home-dir /var/lib/openseal --create-home openseal
COPY --from=packages /opt/openseal /opt/openseal
COPY crypto /app/crypto
COPY bids /app/bids
COPY procurement /app/procurement
COPY --from=assets /app/procurement/web/assets /app/procurement/web/assets
COPY migrations /app/migrations
COPY LICENSE /app/LICENSE
ENV PATH=/opt/openseal/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 XDG_DATA_HOME=/var/lib
USER openseal
WORKDIR /app
VOLUME /var/lib/openseal
EXPOSE 8000
HEALTHCHECK --start-period=60s --interval=10s --timeout=5s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["python", "-m", "procurement"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
