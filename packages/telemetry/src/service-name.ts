/** `services/<name>/src/main.ts` is that service, `worker.ts` beside it the worker of it. */
export function serviceName(entry: string | undefined): string {
  const [, folder, file] = /services\/([^/]+)\/src\/([^/]+)\.ts$/.exec(entry ?? '') ?? []
  if (folder === undefined) return 'unknown_service:node'
  return file === 'worker' ? folder.replace(/-api$/, '-worker') : folder
}
