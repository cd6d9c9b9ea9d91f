import { runCommand } from '@reference/cli'

await runCommand('pnpm template', {
  summary: 'Make this repository your own: rename it, and remove the parts that you do not need.',
  commands: {
    list: {
      summary: 'List the parts that can be removed, with their cost in files and lines.',
      load: async () => (await import('./list-command.ts')).listCommand,
    },
    remove: {
      summary: 'Remove parts with everything that names them.',
      load: async () => (await import('./remove-command.ts')).removeCommand,
    },
    rename: {
      summary: 'Give the packages, services, images, databases and documents your names.',
      load: async () => (await import('./rename-command.ts')).renameCommand,
    },
  },
})
