import { isOneOf, jsonList, keyset, named, statement } from '@reference/database'
import { MAX_ID } from '@reference/http/schemas'
import { and, eq, sql } from 'drizzle-orm'
import type { User } from './model.ts'
import { isRepresentable, users } from './table.ts'

export { users as table } from './table.ts'

const { placeholder } = sql

/** In the order of the JSON. */
const columns = () => ({
  id: users.id,
  email: users.email,
  name: users.name,
  createdAt: named<string>(users.createdAt, 'createdAt'),
})

export const userById = statement<{ id: number }, User>(
  'user_by_id',
  (db) =>
    db
      .select(columns())
      .from(users)
      .where(eq(users.id, placeholder('id'))),
  { sample: { id: 42 } },
)

/** As {@link userById}; no other transaction can change the row until this one ends. */
export const lockUser = statement<{ id: number }, User>(
  'lock_user',
  (db) =>
    db
      .select(columns())
      .from(users)
      .where(eq(users.id, placeholder('id')))
      .for('update'),
  { sample: { id: 42 } },
)

/** The rows that exist, in no order. */
export const usersByIds = statement<{ ids: number[] }, User>(
  'users_by_ids',
  (db) =>
    db
      .select(columns())
      .from(users)
      .where(isOneOf(users.id, 'ids', 'int')),
  { sample: { ids: Array.from({ length: 100 }, (_, index) => 1 + index * 7) } },
)

const byId = keyset({ after: { column: users.id, type: 'int' } }, 'asc')

/** Ascending from the first id behind `after`; 0 is the first page. */
export const usersPage = jsonList<{ after: number; limit: number }>('users_page', {
  rows: () => sql`select * from ${users} where ${and(byId.behind, isRepresentable())} order by ${byId.order}`,
  members: { id: users.id, email: users.email, name: users.name, createdAt: users.createdAt },
  sample: { after: 100, limit: 50 },
})

/** A taken email is a unique violation of `users_email_unique`. */
export const insertUser = statement<{ email: string; name: string }, User>(
  'insert_user',
  (db) =>
    db
      .insert(users)
      .values({ email: placeholder('email'), name: placeholder('name') })
      .returning(columns()),
  { sample: { email: 'explain@example.com', name: 'Explain' } },
)

/** `null` keeps a field as it is. Returns no row when there is no such user. */
export const updateUser = statement<{ id: number; email: string | null; name: string | null }, User>(
  'update_user',
  (db) =>
    db
      .update(users)
      .set({
        email: sql`coalesce(${placeholder('email')}, ${users.email})`,
        name: sql`coalesce(${placeholder('name')}, ${users.name})`,
      })
      .where(eq(users.id, placeholder('id')))
      .returning(columns()),
  { sample: { id: 42, email: null, name: 'Explain' } },
)

/** Returns no row when there is no such user. A user with orders is a foreign key violation of `orders_user_id_users_id_fk`. */
export const deleteUser = statement<{ id: number }, { id: number }>(
  'delete_user',
  (db) =>
    db
      .delete(users)
      .where(eq(users.id, placeholder('id')))
      .returning({ id: users.id }),
  // An absent user: one with orders cannot be deleted, and the plan is the same.
  { sample: { id: MAX_ID } },
)
