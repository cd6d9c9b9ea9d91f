/** Derives the service name from the entry file: `services/<name>/src/main.ts`, or `worker.ts` for its worker. */
export function serviceName(entry: string | undefined): string {
  const [, folder, file] = /services\/([^/]+)\/src\/([^/]+)\.ts$/.exec(entry ?? '') ?? []
  if (folder === undefined) return 'unknown_service:node'
  return file === 'worker' ? folder.replace(/-api$/, '-worker') : folder
}
