import type { User } from '@reference/model'
import { and, asc, eq, gt, sql } from 'drizzle-orm'
import { columns, representable } from '../rows.ts'
import { users } from '../schema.ts'
import { statement } from '../statement.ts'
import { limited } from './limited.ts'

const { placeholder } = sql

export const userById = statement<{ id: number }, User>('user_by_id', (db) =>
  db
    .select(columns.user())
    .from(users)
    .where(eq(users.id, placeholder('id'))),
)

/** The rows that exist, in no order. */
export const usersByIds = statement<{ ids: number[] }, User>('users_by_ids', (db) =>
  db
    .select(columns.user())
    .from(users)
    .where(sql`${users.id} = any(${placeholder('ids')}::int[])`),
)

/** Ascending from the first id past `after`; 0 starts. Without rows that are not representable, as all lists. */
export const usersPage = statement<{ after: number; limit: number }, User>('users_page', (db) =>
  limited(
    db
      .select(columns.user())
      .from(users)
      .where(and(gt(users.id, placeholder('after')), representable.user()))
      .orderBy(asc(users.id)),
  ),
)

/** A taken email is a unique violation of `users_email_unique`. */
export const insertUser = statement<{ email: string; name: string }, User>('insert_user', (db) =>
  db
    .insert(users)
    .values({ email: placeholder('email'), name: placeholder('name') })
    .returning(columns.user()),
)

/** `null` leaves a field as it is. No row: no such user. */
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
      .returning(columns.user()),
)

/** No row: no such user. A user with orders is a foreign key violation of `orders_user_id_users_id_fk`. */
export const deleteUser = statement<{ id: number }, { id: number }>('delete_user', (db) =>
  db
    .delete(users)
    .where(eq(users.id, placeholder('id')))
    .returning({ id: users.id }),
)
