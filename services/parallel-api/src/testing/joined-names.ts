import type postgres from 'postgres'

/** A joined order, by its id, its user's email and its product's name. */
export interface JoinedNames {
  readonly id: number
  readonly email: string
  readonly name: string
}

/** The joined orders of a body of `/aggregate`. */
export function namesIn(body: {
  items: { id: number; user: { email: string }; product: { name: string } }[]
}): JoinedNames[] {
  return body.items.map(({ id, user, product }) => ({ id, email: user.email, name: product.name }))
}

/** The newest orders, joined by the database. @throws when there are fewer than `limit` */
export async function joinedNames(sql: postgres.Sql, limit: number): Promise<JoinedNames[]> {
  const rows = await sql<JoinedNames[]>`
    select o.id, u.email, p.name from orders o join users u on u.id = o.user_id join products p on p.id = o.product_id
    order by o.created_at desc, o.id desc limit ${limit}`
  if (rows.length < limit) throw new Error(`There are ${rows.length} orders, not ${limit}`)
  return rows.map((row) => ({ ...row }))
}
