import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import { UrlError } from './errors.ts'
import { SSL_MODES, type SslMode, TLS_VERSIONS, type TlsSettings, type TlsVersion } from './server.ts'
import { oneOf, type Take } from './url-parameters.ts'

/** A relative path is relative to it, also when the process has moved since (DIAGNOSTICS_DIR). */
const START_FOLDER = process.cwd()

/** Reads the TLS settings of a URL, and the files of certificates and keys that it names. */
export function tlsOf(take: Take): TlsSettings {
  const rootFile = take('sslrootcert')
  const mode = modeOf(take, rootFile)
  const negotiation = oneOf('sslnegotiation', take('sslnegotiation'), ['postgres', 'direct'], 'postgres')
  if (negotiation === 'direct' && ['disable', 'allow', 'prefer'].includes(mode)) {
    throw new UrlError('sslnegotiation=direct needs sslmode=require or above')
  }
  const version = (name: string): TlsVersion | undefined => {
    const text = take(name)
    return text === undefined ? undefined : oneOf(name, text, TLS_VERSIONS, 'TLSv1.2')
  }
  const tls: TlsSettings = {
    mode,
    negotiation,
    verify: verificationOf(mode, rootFile),
    roots:
      rootFile === undefined || rootFile === 'system' ? undefined : certificatesIn('sslrootcert', rootFile),
    ...ownCertificate(take),
    serverName: take('sslsni') !== '0',
    minVersion: version('ssl_min_protocol_version'),
    maxVersion: version('ssl_max_protocol_version'),
  }
  const [lowest, highest] = [tls.minVersion ?? 'TLSv1', tls.maxVersion ?? 'TLSv1.3']
  if (TLS_VERSIONS.indexOf(lowest) > TLS_VERSIONS.indexOf(highest)) {
    throw new UrlError('ssl_min_protocol_version must not be above ssl_max_protocol_version')
  }
  return tls
}

function verificationOf(mode: SslMode, rootFile: string | undefined): TlsSettings['verify'] {
  if (mode === 'verify-full') return 'chain and name'
  return mode === 'verify-ca' || (mode === 'require' && rootFile !== undefined) ? 'chain' : 'nothing'
}

function modeOf(take: Take, rootFile: string | undefined): SslMode {
  const given = take('sslmode')
  if (given !== undefined && take('ssl') !== undefined) throw new UrlError('ssl cannot be used with sslmode')
  if (given === 'no-verify')
    throw new UrlError('sslmode=no-verify is a mode of node-postgres: libpq calls it require')
  const fallback = take('ssl') === 'true' ? 'require' : rootFile === 'system' ? 'verify-full' : 'prefer'
  const mode = oneOf('sslmode', given, SSL_MODES, fallback)
  if (rootFile === 'system' && mode !== 'verify-full')
    throw new UrlError('sslrootcert=system needs sslmode=verify-full')
  return mode
}

function ownCertificate(take: Take): Pick<TlsSettings, 'certificate' | 'key' | 'passphrase'> {
  const [certFile, keyFile, passphrase] = [take('sslcert'), take('sslkey'), take('sslpassword')]
  if (certFile === undefined && keyFile === undefined) {
    if (passphrase !== undefined) throw new UrlError('sslpassword needs sslcert and sslkey')
    return { certificate: undefined, key: undefined, passphrase: undefined }
  }
  if (certFile === undefined || keyFile === undefined)
    throw new UrlError('sslcert and sslkey are given together')
  const certificate = certificatesIn('sslcert', certFile)
  const key = fileText('sslkey', keyFile)
  try {
    createPrivateKey({ key, ...(passphrase !== undefined && { passphrase }) })
  } catch {
    throw new UrlError(`sslkey: ${keyFile} holds no private key in PEM that sslpassword opens`)
  }
  try {
    createSecureContext({ cert: certificate, key, ...(passphrase !== undefined && { passphrase }) })
  } catch {
    throw new UrlError('sslkey is not the key of sslcert')
  }
  return { certificate, key, passphrase }
}

function certificatesIn(name: string, file: string): string {
  const text = fileText(name, file)
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []
  try {
    for (const block of blocks) new X509Certificate(block)
  } catch {
    throw new UrlError(`${name}: a certificate in ${file} cannot be read`)
  }
  if (blocks.length === 0) throw new UrlError(`${name}: ${file} holds no certificate in PEM`)
  return blocks.join('\n')
}

function fileText(name: string, file: string): string {
  try {
    return readFileSync(resolve(START_FOLDER, file), 'utf8')
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new UrlError(`${name}: cannot be read: ${reason} ${file}`)
  }
}
