/**
 * Types of the calls of an upstream, from the `paths` that openapi-typescript writes of its OpenAPI document. They exist while the program is
 * checked alone: a call is the text of its URL and the parsed reply, as without them.
 */

/** `{id}` → a number or text. */
type Filled<Path extends string> = Path extends `${infer Before}{${string}}${infer After}`
  ? `${Before}${number | string}${Filled<After>}`
  : Path

/** The paths that have a `GET`. */
type GetPath<Paths> = {
  [Path in keyof Paths & string]: Paths[Path] extends { get: object } ? Path : never
}[keyof Paths & string]

/** A URL without its query. */
type PathOf<Url extends string> = Url extends `${infer Path}?${string}` ? Path : Url

/** Of two paths that fit, as `/users/{id}` and `/users/me` fit `/users/me`, the one without parameters. */
type Matching<Paths, Url extends string> =
  PathOf<Url> extends GetPath<Paths>
    ? PathOf<Url>
    : {
        [Path in GetPath<Paths>]: PathOf<Url> extends Filled<Path>
          ? SameDepth<Path, PathOf<Url>> extends true
            ? Path
            : never
          : never
      }[GetPath<Paths>]

/** A parameter has no slash. */
type SameDepth<Path extends string, Url extends string> = Path extends `${string}/${infer RestOfPath}`
  ? Url extends `${string}/${infer RestOfUrl}`
    ? SameDepth<RestOfPath, RestOfUrl>
    : false
  : Url extends `${string}/${string}`
    ? false
    : true

type NamesOf<Query extends string> = Query extends `${infer First}&${infer Rest}`
  ? NamesOf<First> | NamesOf<Rest>
  : Query extends `${infer Name}=${string}`
    ? Name
    : Query

type QueryNames<Operation> = Operation extends { parameters: { query?: infer Query } }
  ? keyof NonNullable<Query> & string
  : never

type OperationOf<Paths, Url extends string> = Paths[Matching<Paths, Url> & keyof Paths] extends {
  get: infer Operation
}
  ? Operation
  : never

/** The URL itself when the document has a `GET` for it that knows each name of its query; else `never`, which no text is. */
export type GetUrl<Paths, Url extends string> = [Matching<Paths, Url>] extends [never]
  ? never
  : Url extends `${string}?${infer Query}`
    ? NamesOf<Query> extends QueryNames<OperationOf<Paths, Url>>
      ? Url
      : never
    : Url

/** The body of the reply 200. */
export type GetReply<Paths, Url extends string> =
  OperationOf<Paths, Url> extends {
    responses: { 200: { content: { 'application/json': infer Body } } }
  }
    ? Body
    : never
