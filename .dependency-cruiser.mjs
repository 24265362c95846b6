/** The folders of each service, from the wiring down. A folder imports those that stand after it, and never before it. */
const layers = {
  'command-api': ['commands', 'http', 'sign-in', 'publishing', 'store', 'domain'],
  projector: ['cli', 'upkeep', 'welcome-email', 'read-store', 'consuming', 'projections'],
  'query-api': ['queries', 'freshness', 'by-id', 'read-store'],
}

/** Files at the top of a service that its folders may import: types of settings, and helpers that import no folder. */
const shared = '(config|batches)[.]ts$'

/** Test code and tools: what is never deployed. */
const development = '^packages/(local-stack|describe|system-tests|deployment|bench)/'

/** Libraries that decide nothing and connect to nothing: types of requests, schemas, JSON. */
const harmless = '/node_modules/(fastify|typebox|fast-json-stringify)/'

/** Which imports are allowed, and why. `pnpm check` runs this. @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'services-are-strangers',
      comment: 'Services are deployed and scaled separately. What they share about users is in contracts only.',
      severity: 'error',
      from: { path: '^services/([^/]+)/' },
      to: { path: '^services/', pathNot: '^services/$1/' },
    },
    {
      name: 'contracts-depend-on-typebox-only',
      comment: 'Everything that speaks to the system can use contracts: a client in a browser as well as a service.',
      severity: 'error',
      from: { path: '^packages/contracts/src/' },
      to: { pathNot: ['^packages/contracts/src/', '/node_modules/typebox/'] },
    },
    {
      name: 'domain-is-pure',
      comment:
        'A decision depends on state, input and time. I/O cannot hide in it: its results are passed in. A list of ' +
        'common passwords is data.',
      severity: 'error',
      from: { path: '^services/[^/]+/src/domain/' },
      to: {
        pathNot: [
          '^services/[^/]+/src/domain/',
          '^packages/contracts/src/',
          '/node_modules/@zxcvbn-ts/language-common/',
        ],
      },
    },
    {
      name: 'projections-are-pure',
      comment: 'A projection is a table from event to document. Otherwise a rebuild could differ from the first run.',
      severity: 'error',
      from: { path: '^services/[^/]+/src/projections/' },
      to: { pathNot: ['^services/[^/]+/src/projections/', '^packages/contracts/src/'] },
    },
    {
      name: 'no-libraries-in-the-middle',
      comment: 'Commands, queries and their HTTP helpers say what happens; the folders below them talk to servers.',
      severity: 'error',
      from: { path: '^services/[^/]+/src/(commands|http|queries)/' },
      to: { path: '(^|/)node_modules/', pathNot: harmless },
    },
    {
      name: 'parts-come-from-the-wiring',
      comment:
        'service.ts and the programs build the parts and pass them on, so that tests start what production runs. The ' +
        'files listed here export functions that are given the parts.',
      severity: 'error',
      from: { path: '^services/([^/]+)/src/(?!programs/|cli/|upkeep/)([^/]+)/' },
      to: {
        path: '^services/$1/src/(sign-in|publishing|store|consuming|read-store|welcome-email|freshness|by-id)/',
        pathNot: [
          '^services/$1/src/$2/',
          '/sign-in/(check-credentials|open-session|forget-sessions)[.]ts$',
          '/store/change-user[.]ts$',
          '/consuming/failures[.]ts$',
          '/freshness/wait-for-version[.]ts$',
        ],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'welcome-email-only-decides',
      comment: 'Whether a mail is sent is decided here. The mailer and the record are passed in.',
      severity: 'error',
      from: { path: '^services/projector/src/welcome-email/welcome-email[.]ts$' },
      to: { path: '^services/projector/src/|(^|/)node_modules/', dependencyTypesNot: ['type-only'] },
    },
    ...Object.entries(layers).flatMap(([service, folders]) =>
      folders.map((folder, i) => ({
        name: `${service}-${folder}-imports-downwards`,
        comment: 'Imports lead from the wiring down to the domain: what a folder needs can be read without its users.',
        severity: 'error',
        from: { path: `^services/${service}/src/${folder}/` },
        to: {
          path: `^services/${service}/src/`,
          pathNot: `^services/${service}/src/((${folders.slice(i).join('|')})/|${shared})`,
        },
      })),
    ),
    {
      name: 'packages-know-no-service',
      comment: 'Services use packages. Tests and tools may look at both.',
      severity: 'error',
      from: { path: '^packages/', pathNot: '^packages/(describe|system-tests|deployment|bench)/' },
      to: { path: '^services/' },
    },
    {
      name: 'no-test-code-in-production',
      comment: 'Test code and tools are not deployed: a service that imports them does not start.',
      severity: 'error',
      from: { path: '^(services/[^/]+|packages/(contracts|service-kit))/src/' },
      to: { path: development },
    },
    {
      name: 'no-dev-dependency-in-production',
      comment: '`pnpm deploy --prod` leaves out devDependencies: a service that imports one does not start.',
      severity: 'error',
      from: { path: '^(services|packages)/[^/]+/src/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-circles',
      comment: 'Two files that need each other, by value or by type, are one file or hide a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-unresolved',
      comment: 'An import that resolves only on the machine of its author.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: ['^(packages|services)/[^/]+/dist/', '(^|/)[.]tap/'] },
    // swc sees type-only imports as well. `tsPreCompilationDeps` would ask for a TypeScript older than 7 in vain.
    parser: 'swc',
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      // `source` leads from one package of the workspace to the files of another instead of to what is built of them.
      conditionNames: ['source', 'types', 'import', 'default'],
      extensions: ['.ts', '.d.ts', '.js', '.mjs'],
    },
  },
}
