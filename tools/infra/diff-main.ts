import { runCommand } from '@reference/cli'
import { diffCommand } from './diff.ts'

await runCommand('pnpm infra:diff', diffCommand)
