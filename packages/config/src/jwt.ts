import type { Fault } from './errors.ts'

/** The issuer of the tokens that `AUTH=jwt` accepts. */
export interface JwtTarget {
  readonly issuer: string
  readonly audience: string
  readonly jwksUrl: string
  readonly clockSkewSeconds: number
  readonly scopeClaim: string
  readonly scopeNames: { readonly write: string; readonly admin: string }
}

export interface JwtValues {
  readonly auth: 'off' | 'token' | 'jwt' | undefined
  readonly jwtIssuer: string | undefined
  readonly jwtAudience: string | undefined
  readonly jwtJwksUrl: string | undefined
  readonly jwtClockSkewSeconds: number | undefined
  readonly jwtScopeClaim: string | undefined
  readonly jwtWriteScope: string | undefined
  readonly jwtAdminScope: string | undefined
}

/**
 * Combines the settings of the token issuer.
 *
 * @param faults receives the settings that `AUTH=jwt` lacks
 * @returns undefined unless AUTH is jwt
 */
export function jwtTarget(values: JwtValues, faults: Fault[]): JwtTarget | undefined {
  if (values.auth !== 'jwt') return undefined
  const required = {
    JWT_ISSUER: values.jwtIssuer,
    JWT_AUDIENCE: values.jwtAudience,
    JWT_JWKS_URL: values.jwtJwksUrl,
  }
  for (const [name, value] of Object.entries(required)) {
    // A wrong value has a fault of its own.
    if (value === undefined && !faults.some((fault) => fault.name.startsWith(name)))
      faults.push({ name, message: 'is required with AUTH=jwt' })
  }
  return {
    issuer: values.jwtIssuer ?? '',
    audience: values.jwtAudience ?? '',
    jwksUrl: values.jwtJwksUrl ?? '',
    clockSkewSeconds: values.jwtClockSkewSeconds ?? 0,
    scopeClaim: values.jwtScopeClaim ?? '',
    scopeNames: { write: values.jwtWriteScope ?? '', admin: values.jwtAdminScope ?? '' },
  }
}

/** A key set that is read without TLS could be replaced on its way. */
export function keySetUrlFault(text: string): string | undefined {
  const url = URL.parse(text)
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return 'must be a URL with https://'
  if (url.username !== '' || url.password !== '') return 'must have neither user nor password'
  if (url.protocol === 'https:' || ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname))
    return undefined
  return 'must be a URL with https://; http:// is accepted for this machine alone'
}
