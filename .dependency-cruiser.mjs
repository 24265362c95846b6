/** Which imports are allowed, and why. `pnpm check` runs this. @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'services-are-strangers',
      comment: 'Services are deployed and scaled alone. What they share about users is in contracts, and nowhere else.',
      severity: 'error',
      from: { path: '^services/([^/]+)/' },
      to: { path: '^services/', pathNot: '^services/$1/' },
    },
    {
      name: 'contracts-depend-on-typebox-only',
      comment: 'Whoever speaks to the system can use contracts: a client in a browser as well as a service.',
      severity: 'error',
      from: { path: '^packages/contracts/src/' },
      to: { pathNot: ['^packages/contracts/src/', 'typebox'] },
    },
    {
      name: 'domain-is-pure',
      comment:
        'A decision depends on state, input and time. What does I/O is handed its results, and cannot hide in it.',
      severity: 'error',
      from: { path: '^services/[^/]+/src/domain/' },
      to: { pathNot: ['^services/[^/]+/src/domain/', '^packages/contracts/'] },
    },
    {
      name: 'projections-are-pure',
      comment: 'A projection is a table from event to document. Only so can a rebuild give what the first run gave.',
      severity: 'error',
      from: { path: '^services/projector/src/projections/' },
      to: { pathNot: ['^services/projector/src/projections/', '^packages/contracts/'] },
    },
    {
      name: 'no-drivers-in-the-middle',
      comment: 'Commands, queries, domain and projections say what happens; the folders around them talk to servers.',
      severity: 'error',
      from: { path: '^services/[^/]+/src/(app\\.ts|commands/|http/|queries/|domain/|projections/)' },
      to: {
        path: 'node_modules/(mongodb|@nats-io|argon2|nodemailer|fast-jwt)/',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'no-service-in-packages',
      comment: 'Imports flow one way: services use packages.',
      severity: 'error',
      from: { path: '^packages/', pathNot: '^packages/(system-tests|deployment|bench)/' },
      to: { path: '^services/' },
    },
    {
      name: 'no-test-code-in-production',
      comment: 'The local stack and tests are for development.',
      severity: 'error',
      from: { path: '^(services|packages/(contracts|service-kit))/[^/]*/?src/' },
      to: { path: '^packages/(local-stack|system-tests|deployment|bench)/' },
    },
    {
      name: 'no-circles',
      comment: 'Two files that need each other are one file, or hide a third.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-unresolved',
      comment: 'An import that only works on the machine of whoever wrote it.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '/(dist|\\.tap)/' },
    includeOnly: undefined,
    parser: 'swc',
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['types', 'import', 'default'],
      extensions: ['.ts', '.d.ts', '.js', '.mjs'],
    },
  },
}
