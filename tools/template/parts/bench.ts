import type { Part } from '../part.ts'

export const bench: Part = {
  name: 'bench',
  summary: 'the benchmark with its lab, peers and recorded figures',
  paths: [
    'bench',
    'tests/docs/anchors.test.ts',
    'tests/services/overload.test.ts',
    'tools/generate/{figures,comparisons,peers-chart,duet-results,scaling}*.ts',
    'infra/redis/eviction-bench.ts',
    'docs/images/{ablation,break-even,overload,peers}.svg',
    'docs/images/{lab,report}.png',
  ],
  shared: [
    'services/*/bench',
    'packages/*/bench',
    'tests/prod/throughput.test.ts',
    'tools/prod/bench-compression.ts',
    'tools/infra/bench-metrics.ts',
    // They use its statistics and its browser.
    'tests/soak',
    'infra/grafana/src/boards/bench.ts',
    'infra/grafana/dashboards/bench.json',
    'tests/services/docs-page.test.ts',
  ],
  words:
    /bench-compression|eviction-bench|bench-metrics|\bsoak\b|SOAK_|pnpm bench|pnpm lab|@reference\/bench|(?<![\w/])bench\/|`bench /,
  names: ['bench', 'lab', 'bench-metrics', 'figures'],
  edits: [
    {
      files: '.ci/*',
      entries: [
        /^stage (lab|bench|jobs-throughput|report-beside-health|all-beside-plain|bench-run|bench-aa|bench-tune) /,
        /^stage (soak|cache-comparison|invalidations|outbox-drain|overload-curves|overload) /,
      ],
      replace: [
        [/ bench compose /, ' compose '],
        [/if wanted tests bench;/, 'if wanted tests;'],
        [/ --pages bench\/results\/dashboards/, ' --pages .local-stack/dashboards'],
        [/ throughput; do/, '; do'],
        [/; a short benchmark;/, ';'],
      ],
    },
    { files: '.github/workflows/nightly.yml', entries: [/^\s+- uses: actions\/upload-artifact/] },
    { files: '.vscode/settings.json', replace: [[/"bench\/results": true, /, '']] },
    { files: 'docs/images/architecture.svg', lines: [/>pnpm bench</] },
    {
      files: 'docs/TUNING.md',
      replace: [
        [/, `(pnpm )?bench [^`]*`/g, ''],
        [/`(pnpm )?bench [^`]*`(?= \|)/g, '–'],
      ],
    },
    {
      files: 'packages/config/src/documents.ts',
      names: ['scenario'],
      lines: [/`bench \$\{scenario\}/],
      replace: [
        [/; shown by: pnpm bench \$\{tuning\.scenario\}/, ''],
        [/ shown by \|(\\n\|---)/, '$1'],
        [/\|---\|---\|---\|---\|---\|/, '|---|---|---|---|'],
        [/: default, effect, and the scenario that shows the effect\./, ': default and effect.'],
      ],
    },
    {
      files: 'services/parallel-api/src/routes/all.ts',
      replace: [[/\s*\*?\s*\(`bench\/all-beside-plain\.ts`\)/, '']],
    },
    { files: 'tests/docs/docs.test.ts', entries: [/^t\.test\('the page on tunings names only benchmarks/] },
    {
      files: 'packages/config/src/setting.ts',
      replace: [[/, as in `pnpm bench <scenario>`/, '']],
    },
    { files: 'infra/grafana/src/dashboards.ts', names: ['bench'] },
    {
      files: 'services/reference-api/src/jobs/process-data.ts',
      replace: [[/ \(packages\/threads\/bench\/worker-crossover\.ts\)/, '']],
    },
    { files: 'tests/prod/run.ts', lines: [/name: 'throughput'/] },
    { files: 'tools/check/unused.ts', lines: [/'bench\/src\//] },
    { files: 'tools/generate/main.ts', names: ['figures'], lines: [/^figures /] },
  ],
}
