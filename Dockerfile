# syntax=docker/dockerfile:1
# One service's image: docker build --build-arg SERVICE=command-api|projector|query-api|operator .

FROM node:24-bookworm-slim AS source
WORKDIR /repository
ENV CI=true PNPM_CONFIG_STORE_DIR=/pnpm/store PATH=/pnpm/bin:$PATH
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
# Fetches the packages of the lockfile, so that changed source does not invalidate this layer or the store.
RUN --mount=type=cache,id=pnpm,target=/pnpm/store --mount=type=cache,id=npm,target=/root/.npm \
    npm install --global --prefix /pnpm "$(node -p 'require("./package.json").packageManager')" && pnpm fetch
COPY . .

# The gateway of docker-compose.yml, with the API reference at /docs: docker build --target gateway .
FROM source AS docs
RUN --mount=type=cache,id=pnpm,target=/pnpm/store \
    pnpm install --offline --frozen-lockfile --filter . --filter '@cqrs/local-stack...' && \
    pnpm exec tsc -b packages/local-stack && node packages/local-stack/dist/docs-page.js /docs

FROM nginx:1.28-alpine AS gateway
COPY --from=docs /docs /usr/share/nginx/html/docs
COPY deploy/nginx /etc/nginx/gateway
USER 101:101
CMD ["nginx", "-c", "/etc/nginx/gateway/nginx.conf", "-g", "daemon off;"]

FROM source AS build
ARG SERVICE
# Builds the service with the workspace packages that it needs, then copies it with its production dependencies and
# SBOM.
RUN --mount=type=cache,id=pnpm,target=/pnpm/store \
    pnpm install --offline --frozen-lockfile --filter . --filter "@cqrs/$SERVICE..." && \
    pnpm exec tsc -b */"$SERVICE" && \
    pnpm --offline --filter "@cqrs/$SERVICE" --prod --config.inject-workspace-packages=true deploy /app && \
    pnpm --filter "@cqrs/$SERVICE" sbom --prod --sbom-format cyclonedx --sbom-spec-version 1.6 \
      --sbom-type application --out /app/sbom.cdx.json && \
    node -p 'require("/app/dist/config.js").Config.properties.PORT.default' >/app/port
COPY deploy/health-check.sh /app/

# Node and nothing else: no npm, no shell tools beyond Debian's.
FROM debian:bookworm-slim
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY --from=build /app /app
WORKDIR /app
# Bounds the heap by what the services need, not by the memory of the machine. Node has few threads, so one arena of the
# C library is enough, and memory that one thread frees can be used by the others.
ENV NODE_ENV=production MALLOC_ARENA_MAX=1 NODE_OPTIONS="--max-semi-space-size=4 --max-old-space-size=192"
USER 1000:1000
ARG SERVICE
ARG REVISION=unknown
LABEL org.opencontainers.image.title="cqrs-user-service/$SERVICE" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.sbom="/app/sbom.cdx.json"
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["bash", "health-check.sh"]
# Node is process 1 and receives signals directly. The image also runs `node dist/migrate.js`.
CMD ["node", "dist/main.js"]
