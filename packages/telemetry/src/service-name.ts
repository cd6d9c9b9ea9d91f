/**
 * Derives the service name from the entry file: `services/<name>/src/main.ts` or `dist/<name>/main.js`, and `worker` for the worker of
 * that service.
 */
export function serviceName(entry: string | undefined): string {
  const [, folder, file] = /([^/]+)\/(?:src\/)?(main|worker)\.[jt]s$/.exec(entry ?? '') ?? []
  if (folder === undefined) return 'unknown_service:node'
  return file === 'worker' ? folder.replace(/-api$/, '-worker') : folder
}
