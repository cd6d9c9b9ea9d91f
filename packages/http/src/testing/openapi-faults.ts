interface Operation {
  readonly summary?: string
  readonly operationId?: string
  readonly responses: Readonly<Record<string, { readonly description?: string }>>
}

/**
 * What the operations of an OpenAPI document lack: a summary, an operationId that no other operation has, and a description of each reply.
 *
 * @param document as `/openapi.json` sends it
 */
export function openApiFaults(document: unknown): string[] {
  const { paths } = document as { paths: Readonly<Record<string, Readonly<Record<string, Operation>>>> }
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      ...operation,
    })),
  )
  if (operations.length === 0) return ['there is no operation']
  return operations.flatMap(({ name, summary, operationId, responses }) => {
    const others = operations.filter((each) => each.operationId === operationId)
    return [
      ...(summary ? [] : [`${name} has no summary`]),
      ...(operationId ? [] : [`${name} has no operationId`]),
      ...(others.length === 1 ? [] : [`${name} shares its operationId`]),
      ...Object.entries(responses).flatMap(([status, { description }]) =>
        isDescribed(description) ? [] : [`${name}: its reply ${status} has no description`],
      ),
    ]
  })
}

/** `@fastify/swagger` writes "Default Response" where there is none. */
function isDescribed(description: string | undefined): boolean {
  return description !== undefined && !['', 'Default Response'].includes(description)
}
