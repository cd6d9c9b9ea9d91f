/**
 * Asserts that a value exists where the types cannot know it, such as the row of `insert … returning`.
 *
 * @throws a plain `Error`, which is a defect of the program and never an answer to a caller
 */
export function mustExist<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('A value that must exist is undefined')
  return value
}
