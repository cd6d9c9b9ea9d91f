import { runCommand } from '@reference/cli'

await runCommand('pnpm infra', {
  summary: 'Size, check and feed the containers of the stack.',
  commands: {
    size: {
      summary: 'Print container limits and engine settings for any machine, or write those of a size.',
      load: async () => (await import('./size.ts')).sizeCommand,
    },
    diff: {
      summary: 'Compare the settings of a running server with what the rule gives for its machine.',
      load: async () => (await import('./diff.ts')).diffCommand,
    },
    doctor: {
      summary: 'Check whether this machine can run the stack, and name remedies.',
      load: async () => (await import('./doctor/command.ts')).doctorCommand,
    },
    'bench-metrics': {
      summary: 'Make the figures of a benchmark run available to the dashboard "Benchmark runs".',
      load: async () => (await import('./bench-metrics.ts')).benchMetricsCommand,
    },
    'same-image': {
      summary: 'Build an image twice without a cache and compare the two.',
      load: async () => (await import('./same-image.ts')).sameImageCommand,
    },
  },
})
