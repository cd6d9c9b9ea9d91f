import type { Observed } from './stack.ts'
export async function drawPages(_stack: Observed): Promise<[string, string][]> {
  return []
}
