import type { Part } from './part.ts'
import { bench } from './parts/bench.ts'
import { kubernetes, observability, production } from './parts/deployment.ts'
import { jobs } from './parts/jobs.ts'
import { parallelApi } from './parts/parallel-api.ts'

import { mongodb, mysql, rabbitmq, systems, vault } from './parts/systems.ts'
import { removePart } from './remove.ts'
import type { Tree } from './tree.ts'

export const PARTS: readonly Part[] = [
  parallelApi,
  jobs,
  bench,
  mysql,
  mongodb,
  rabbitmq,
  vault,
  systems,
  kubernetes,
  observability,
  production,
]

/** Whether the tree still has files of the part. */
export function hasPart(tree: Tree, { paths }: Part): boolean {
  return paths.some((glob) => tree.has(glob))
}

/** Removes parts with their members, and a part whose last member was removed. */
export function removeParts(tree: Tree, names: readonly string[]): void {
  const wanted = new Set(names)
  for (const { name, members = [] } of PARTS)
    if (wanted.has(name)) for (const member of members) wanted.add(member)
  const left = (name: string) => PARTS.some((part) => part.name === name && hasPart(tree, part))
  for (const part of PARTS) {
    const { name, members } = part
    if (!hasPart(tree, part)) continue
    if (wanted.has(name) || (members !== undefined && !members.some(left))) removePart(tree, part)
  }
}
