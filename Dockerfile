# Both services, each a target of its own: `docker build --target reference-api .`, `docker build --target parallel-api .`
#
# Node refuses to strip types under node_modules, so the workspace keeps its layout: manifests, the production packages of
# that service, then the sources. There is no build step.

FROM node:26-slim AS base
# Every file that the build writes bears this time, so that the same inputs give layers with the same content.
ARG SOURCE_DATE_EPOCH=1767225600
WORKDIR /app

# The manifests alone, and the patches that the lock file names: the packages below are installed anew only when one of these changed.
FROM base AS manifests
COPY . /source
RUN cd /source && find . -name package.json -o -name pnpm-lock.yaml -o -name pnpm-workspace.yaml -o -path './patches/*.patch' | xargs cp --parents -t /app

FROM base AS pnpm
# Behind a proxy that has its own certificates: `--secret id=ca,src=bundle.pem` lets Node trust them in this build.
ENV NODE_EXTRA_CA_CERTS=/run/secrets/ca
# The version of "packageManager" in package.json.
RUN --mount=type=secret,id=ca npm install --global pnpm@12.21.0
COPY --from=manifests /app ./
# Without a filter the root's own packages would come as well: the tools of development, and a second Node.
ENV INSTALL="pnpm install --prod --frozen-lockfile --ignore-scripts --package-import-method copy --store-dir /store"

FROM pnpm AS reference-api-modules
RUN --mount=type=secret,id=ca --mount=type=cache,target=/store $INSTALL --filter-prod @reference/reference-api... \
  && find . -newermt @$SOURCE_DATE_EPOCH -exec touch --no-dereference --date=@$SOURCE_DATE_EPOCH {} +

FROM pnpm AS parallel-api-modules
RUN --mount=type=secret,id=ca --mount=type=cache,target=/store $INSTALL --filter-prod @reference/parallel-api... \
  && find . -newermt @$SOURCE_DATE_EPOCH -exec touch --no-dereference --date=@$SOURCE_DATE_EPOCH {} +

FROM pnpm AS all-modules
RUN --mount=type=secret,id=ca --mount=type=cache,target=/store $INSTALL --filter-prod @reference/reference-api... --filter-prod @reference/parallel-api...

FROM base AS runtime
ENV HOST=0.0.0.0
COPY infra/health.sh /usr/local/bin/health
HEALTHCHECK --interval=5s --timeout=10s --start-period=240s --retries=6 CMD ["health"]
# The heap's share of the container's memory limit; the rest is for buffers outside of it, threads and Node itself.
ENV NODE_OPTIONS="--max-old-space-size-percentage=60"
# Numeric, so that a platform can see that it is not root.
USER 1000:1000

FROM runtime AS development
ENV NODE_ENV=development PORT=8000
COPY --from=all-modules /app ./
COPY packages packages
COPY services services
# Mount ./packages and ./services read-only over these to reload on each change; their node_modules stay.
CMD ["node", "--watch", "services/reference-api/src/main.ts"]

FROM runtime AS production
ENV NODE_ENV=production
COPY packages packages

FROM production AS parallel-api
ENV PORT=8001
# Less than above: the thread that computes reports has its heap beside this one (infra/worst-case.ts).
ENV NODE_OPTIONS="--max-old-space-size-percentage=53"
COPY --from=parallel-api-modules /app ./
COPY services/parallel-api services/parallel-api
EXPOSE 8001
# Last, since it is another one for each commit: no layer depends on it.
ARG BUILD_COMMIT
ENV BUILD_COMMIT=$BUILD_COMMIT
LABEL org.opencontainers.image.revision=$BUILD_COMMIT
CMD ["node", "services/parallel-api/src/main.ts"]

FROM production AS reference-api
ENV PORT=8000
COPY --from=reference-api-modules /app ./
COPY services/reference-api services/reference-api
EXPOSE 8000
ARG BUILD_COMMIT
ENV BUILD_COMMIT=$BUILD_COMMIT
LABEL org.opencontainers.image.revision=$BUILD_COMMIT
CMD ["node", "services/reference-api/src/main.ts"]
