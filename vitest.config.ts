import { defineConfig, type ViteUserConfig } from 'vitest/config';

/** Where a report for programs goes, when one is wanted. */
const report: string | undefined = process.env['TEST_REPORT'];

/**
 * Two kinds of test. `fast` runs the sources as they stand. `processes` starts real programs from `dist`, which is built
 * first when it is older than the sources; of those two files run at a time, since much of it is waiting for programs to start.
 * Time limits are only there to end a test that hangs; no test measures time.
 */
const config: ViteUserConfig = defineConfig({
  test: {
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    projects: [
      {
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**'],
          setupFiles: ['test/support/property-seed.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'processes',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/support/build.ts'],
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});

export default config;
