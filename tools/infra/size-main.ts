import { runCommand } from '@reference/cli'
import { sizeCommand } from './size.ts'

await runCommand('pnpm infra:size', sizeCommand)
