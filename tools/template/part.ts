/** A part of this repository that a clone can do without. */
export interface Part {
  readonly name: string
  /** A noun phrase for `pnpm template list`. */
  readonly summary: string
  /** Files and folders that are deleted, as globs. The first one exists as long as the part does. */
  readonly paths: readonly string[]
  /** Deleted as well where they exist: tests of several parts. */
  readonly shared?: readonly string[]
  /** How files name the part. Nothing that matches is left after a removal; see `pnpm check names`. */
  readonly words: RegExp
  /** Elements of lists, keys and table rows that stand for the part: `mysql` in `[postgres, mysql]`. */
  readonly names: readonly string[]
  /** How sentences enumerate the part: `MySQL` in "MySQL, MongoDB and Vault". */
  readonly titles?: readonly string[]
  /** What the general rules of `reduce.ts` do not find. */
  readonly edits?: readonly Edit[]
  /** Parts that are removed with it. */
  readonly members?: readonly string[]
}

/** A change of some files. Each of its patterns has to be found in at least one of them, or the edit is out of date. */
export interface Edit {
  /** A glob. */
  readonly files: string
  /** A line that matches is removed with the more indented lines below it and the comment above it. */
  readonly entries?: readonly RegExp[]
  readonly lines?: readonly RegExp[]
  /** More names of the part, in these files alone: variables and keys. */
  readonly names?: readonly string[]
  readonly replace?: readonly (readonly [found: RegExp, replacement: string])[]
}
