import { fileURLToPath } from 'node:url'

/** Path of a file made by certificates/make.sh. */
export function testCertificate(name: string): string {
  return fileURLToPath(new URL(`./certificates/${name}`, import.meta.url))
}
