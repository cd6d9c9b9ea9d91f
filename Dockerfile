# Each service is a target of its own: `docker build --target reference-api .`
#
# An image for production holds Node, the bundles of its service (`pnpm build`) and nothing else: no sources, no node_modules, no
# package manager. `development` has the sources and their packages, since Node strips the types.

FROM node:26-slim AS base
# Every file that the build writes bears this time, so that the same inputs give layers with the same content.
ARG SOURCE_DATE_EPOCH=1767225600
WORKDIR /app

# The manifests alone, and the patches that the lock file names: the packages below are installed anew only when one of these changed.
FROM base AS manifests
COPY . /source
RUN cd /source && find . -name package.json -o -name pnpm-lock.yaml -o -name pnpm-workspace.yaml -o -path './patches/*.patch' | xargs cp --parents -t /app

FROM base AS modules
# Behind a proxy that has its own certificates: `--secret id=ca,src=bundle.pem` lets Node trust them in this build.
ENV NODE_EXTRA_CA_CERTS=/run/secrets/ca
# The version of "packageManager" in package.json.
RUN --mount=type=secret,id=ca npm install --global pnpm@12.21.0
COPY --from=manifests /app ./
# Without a filter the root's own packages would come as well: the tools of development, and a second Node. Those of @reference/tools
# have the bundler.
RUN --mount=type=secret,id=ca --mount=type=cache,target=/store \
  pnpm install --prod --frozen-lockfile --ignore-scripts --package-import-method copy --store-dir /store \
  --filter-prod @reference/reference-api... --filter-prod @reference/parallel-api... --filter-prod @reference/tools...

FROM modules AS bundles
COPY packages packages
COPY services services
COPY tools/build tools/build
# The service may write V8's code alone, not the code of its own.
RUN node tools/build/main.ts && for service in dist/*; do install -d -o 1000 -g 1000 $service/compile-cache; done \
  && find dist -exec touch --no-dereference --date=@$SOURCE_DATE_EPOCH {} +

# Node without its package managers and headers, and without programs that gain rights (su, mount).
FROM base AS node
RUN rm -rf /usr/local/lib/node_modules /usr/local/include /usr/local/share/doc /usr/local/share/man /opt/yarn* /usr/local/*.md /usr/local/LICENSE \
  && find /usr/local/bin /usr/bin \( -lname '*node_modules*' -o -lname '*yarn*' \) -delete \
  && find / -xdev -type f -perm /6000 -exec chmod a-s {} +

FROM scratch AS runtime
COPY --from=node / /
COPY infra/health.sh /usr/local/bin/health
WORKDIR /app
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOST=0.0.0.0
HEALTHCHECK --interval=5s --timeout=10s --start-period=240s --retries=6 CMD ["health"]
# The heap's share of the container's memory limit; the rest is for buffers outside of it, threads and Node itself. New objects get
# 4 MiB thrice. With 16 (V8's own), 8 and 4 the reference-api took 225, 190 and 167 MB after a load; 8 gave 0.95 (0.89–1.02) and 4 gave
# 0.93 (0.87–1.00) of the requests a second of a user without a cache (50 callers, interleaved slices). Cached users allocate little.
ENV NODE_OPTIONS="--max-old-space-size-percentage=60 --max-semi-space-size=4"
# Numeric, so that a platform can see that it is not root.
USER 1000:1000

FROM runtime AS development
ENV NODE_ENV=development PORT=8000
COPY --from=modules /app ./
COPY packages packages
COPY services services
# Mount ./packages and ./services read-only over these to reload on each change; their node_modules stay.
CMD ["node", "--watch", "services/reference-api/src/main.ts"]

FROM runtime AS production
ARG SOURCE_DATE_EPOCH=1767225600
ENV NODE_ENV=production

# V8's code of the bundles, by the user that will read it: it lies in a folder of that user's. Each program ends at once, for want of
# settings, and with a fixed seed its code is the same in every build.
# part:parallel-api
FROM production AS parallel-api-bundles
COPY --from=bundles /app/dist/parallel-api dist/parallel-api
RUN node --random-seed=1 dist/parallel-api/main.js >/dev/null 2>&1; test $? = 78 \
  && find dist/*/compile-cache -exec touch --no-dereference --date=@$SOURCE_DATE_EPOCH {} +
# end:parallel-api

FROM production AS reference-api-bundles
COPY --from=bundles /app/dist/reference-api dist/reference-api
RUN for program in main worker migrate; do node --random-seed=1 dist/reference-api/$program.js >/dev/null 2>&1; test $? = 78 || exit 1; done \
  && find dist/*/compile-cache -exec touch --no-dereference --date=@$SOURCE_DATE_EPOCH {} +

# part:parallel-api
FROM production AS parallel-api
ENV PORT=8001
# Less than above: the thread that computes reports has its heap beside this one (infra/worst-case.ts).
ENV NODE_OPTIONS="--max-old-space-size-percentage=53 --max-semi-space-size=4"
COPY --from=parallel-api-bundles /app/dist dist
EXPOSE 8001
# Last, since it is another one for each commit: no layer depends on it.
ARG BUILD_COMMIT
ENV BUILD_COMMIT=$BUILD_COMMIT
LABEL org.opencontainers.image.revision=$BUILD_COMMIT
CMD ["node", "dist/parallel-api/main.js"]
# end:parallel-api

FROM production AS reference-api
ENV PORT=8000
COPY --from=reference-api-bundles /app/dist dist
EXPOSE 8000
ARG BUILD_COMMIT
ENV BUILD_COMMIT=$BUILD_COMMIT
LABEL org.opencontainers.image.revision=$BUILD_COMMIT
CMD ["node", "dist/reference-api/main.js"]
