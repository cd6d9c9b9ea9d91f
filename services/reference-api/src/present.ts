/** What always comes, such as the row of an insert that returns what it stored; the types cannot know. */
export function present<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('nothing came where something always comes')
  return value
}
