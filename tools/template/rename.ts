import type { Tree } from './tree.ts'

/** The names of a clone. */
export interface Names {
  /** Scope of the packages, such as `@acme`. */
  readonly scope: string
  /** Of the compose projects, images, the Kubernetes namespace and the diagnostics channels. */
  readonly project: string
  /** The Postgres database and its owner; also the prefix of the other roles. */
  readonly database: string
  /** Old name of a service to its new one. */
  readonly services: ReadonlyMap<string, string>
}

/** The names of this template. Files that name them on purpose are in `UNTOUCHED`. */
export const TEMPLATE = { scope: '@reference', word: 'reference', worker: 'reference-worker' } as const

/** History, licence, and the files about the rename itself. */
const UNTOUCHED =
  /^(CHANGELOG\.md|LICENSE|docs\/MAKE-IT-YOURS\.md|tools\/template\/rename(\.test)?\.ts|bench\/baselines\/.*)$/

type Rule = readonly [found: RegExp, replacement: string]

/**
 * Renames files and everything in them.
 *
 * @returns paths of the files that changed
 */
export function renameTree(tree: Tree, names: Names): string[] {
  const rules = rulesOf(names)
  const changed: string[] = []
  for (const path of tree.paths()) {
    if (UNTOUCHED.test(path)) continue
    const text = tree.read(path)
    const renamed = apply(rules, text)
    const target = path
      .split('/')
      .map((segment) => apply(rulesOfPaths(names), segment))
      .join('/')
    if (renamed !== text) tree.write(path, renamed)
    if (target !== path) tree.move(path, target)
    if (renamed !== text || target !== path) changed.push(target)
  }
  return changed
}

/** The text with all names replaced. */
export function renameText(text: string, names: Names): string {
  return apply(rulesOf(names), text)
}

function apply(rules: readonly Rule[], text: string): string {
  return rules.reduce((before, [found, replacement]) => before.replace(found, replacement), text)
}

function rulesOfPaths({ services }: Names): Rule[] {
  return [...services].flatMap(([from, to]) => serviceRules(from, to))
}

function rulesOf(names: Names): Rule[] {
  return [
    [/@reference(?=[/'"`])/g, names.scope],
    ...[...names.services].flatMap(([from, to]) => serviceRules(from, to)),
    ...projectRules(names.project),
    ...databaseRules(names.database),
  ]
}

/** A service in kebab-case, camelCase and SCREAMING_CASE, and the process that handles the jobs of the reference-api. */
function serviceRules(from: string, to: string): Rule[] {
  const rules: Rule[] = [
    [new RegExp(`(?<![A-Za-z0-9])${from}(?![A-Za-z0-9])`, 'g'), to],
    [new RegExp(`(?<![A-Za-z0-9])${camelCase(from)}(?![a-z0-9])`, 'g'), camelCase(to)],
    [new RegExp(`(?<![A-Za-z0-9])${pascalCase(from)}(?![a-z0-9])`, 'g'), pascalCase(to)],
    [new RegExp(`(?<=[a-z])${pascalCase(from)}(?![a-z0-9])`, 'g'), pascalCase(to)],
    [new RegExp(`\\b${screamingCase(from)}(?![A-Za-z0-9])`, 'g'), screamingCase(to)],
    [new RegExp(`\\b${titleCase(from)}\\b`, 'g'), titleCase(to)],
  ]
  if (TEMPLATE.worker.startsWith(from.replace(/-api$/, '')))
    rules.push([/\breference-worker\b/g, `${to.replace(/-api$/, '')}-worker`])
  return rules
}

function projectRules(project: string): Rule[] {
  return [
    // The package of the root, caches of the user.
    [/\btuned-node-reference\b(?! authors)/g, project],
    // `reference-production`, names of temporary files and test containers. Options such as `--reference=` have dashes before.
    [/(?<!\w|(?<!:)-)reference(?=-[a-z])/g, project],
    // Images.
    [/(?<![\w/.])reference\/(?=(api|pgbouncer|backup)\b)/g, `${project}/`],
    // Diagnostics channels.
    [/(?<=['"`])reference:(?=[a-z]+\.|\*)/g, `${project}:`],
    // Compose projects, the namespace, the tag of dashboards, labels, and files that a container mounts.
    [/^((?:- |\s*)(?:- )?(?:name|namespace): )reference$/gm, `$1${project}`],
    [/(part-of: |COMPOSE_PROJECT_NAME=|const TAG = ')reference\b/g, `$1${project}`],
    [/^(\s+")reference("$)/gm, `$1${project}$2`],
    [/(?<![\w.])reference(?=\.files\b|\.cnf\b)/g, project],
    [/(\d\d-)reference(?=\.conf\b)/g, `$1${project}`],
    [/(?<=folder: )Reference$/gm, project],
  ]
}

/**
 * The word elsewhere names the database or its owner, alone or as the beginning of a role. What it is not: an option, SQL in
 * capitals or `.references(…)`, a page of a manual, a part of another word.
 */
function databaseRules(database: string): Rule[] {
  return [
    [
      /(?<![\w-]|https:\/\/\S*|(?:configuration|the|'s) |\*|&)reference(?=_|\b)(?!-| (?:of|to|for|guide|manual)\b)/g,
      database,
    ],
  ]
}

function camelCase(name: string): string {
  return name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
}

function pascalCase(name: string): string {
  const camel = camelCase(name)
  return camel.slice(0, 1).toUpperCase() + camel.slice(1)
}

/** `shop-api` is `Shop API`. */
function titleCase(name: string): string {
  const words = name.split('-').map((word) => (word === 'api' ? 'API' : pascalCase(word)))
  return words.join(' ')
}

function screamingCase(name: string): string {
  return name.replaceAll('-', '_').toUpperCase()
}
