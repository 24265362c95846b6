/** The folders of each service, from the wiring down. A folder imports only those after it, and `pure` ones. */
const layers = {
  'command-api': ['commands', 'http', 'sign-in', 'publishing', 'store'],
  projector: ['upkeep', 'welcome-email', 'read-store', 'consuming'],
  'query-api': ['queries', 'freshness', 'by-id', 'read-store'],
}

/** They import nothing but contracts; each has a rule of its own. */
const pure = ['domain', 'projections']

/** The one file at the top of a service that its folders may import: the type of its settings. */
const shared = 'config[.]ts$'

/** What builds parts: the service, its programs, and the two sides of a comparison, for the service and a program. */
const wiring = '(?:service|main|migrate|resources|index)[.]ts$|programs/|upkeep/comparison[.]ts$'

/** Test code and tools: what is never deployed. */
const development = '^packages/(local-stack|describe|system-tests|deployment|bench|tour|checker)/'

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
      name: 'client-stands-alone',
      comment: 'It is published, and runs in browsers: nothing of the other packages, nothing of Node, one dependency.',
      severity: 'error',
      from: { path: '^packages/client/src/' },
      to: { pathNot: ['^packages/client/src/', '/node_modules/openapi-fetch/'] },
    },
    {
      name: 'checker-stands-alone',
      comment: 'It judges what the others did. With their code it would share their mistakes. It only reads files.',
      severity: 'error',
      from: { path: '^packages/checker/src/' },
      to: { pathNot: ['^packages/checker/src/', '^(node:)?fs$'] },
    },
    {
      name: 'telemetry-stands-alone',
      comment: 'Log, metrics and traces serve every part of every process. What is measured is handed to them.',
      severity: 'error',
      from: { path: '^packages/telemetry/src/' },
      to: { path: '^(packages|services)/', pathNot: '^packages/telemetry/' },
    },
    {
      name: 'domain-is-pure',
      comment: 'A decision depends on state, input and time. I/O cannot hide in it: its results are passed in.',
      severity: 'error',
      from: { path: '^services/[^/]+/src/domain/' },
      to: {
        pathNot: ['^services/[^/]+/src/domain/', '^packages/contracts/src/'],
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
        'files that are excepted export functions that are given their parts.',
      severity: 'error',
      from: { path: `^services/([^/]+)/src/(?!${wiring})([^/]+)` },
      to: {
        path: '^services/$1/src/(sign-in|publishing|store|consuming|read-store|welcome-email|freshness|by-id)/',
        pathNot: [
          '^services/$1/src/$2/',
          '/sign-in/(admit|check-credentials|open-session|forget-sessions)[.]ts$',
          '/store/(change-user|done)[.]ts$',
          '/consuming/failures[.]ts$',
          '/read-store/(batches|user-stats)[.]ts$',
          '/freshness/seen[.]ts$',
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
          pathNot: `^services/${service}/src/((${[...folders.slice(i), ...pure].join('|')})/|${shared})`,
        },
      })),
    ),
    {
      name: 'packages-know-no-service',
      comment: 'Services use packages. Tests and tools may look at both.',
      severity: 'error',
      from: { path: '^packages/', pathNot: '^packages/(describe|system-tests|deployment|bench|operator/test)/' },
      to: { path: '^services/', pathNot: '^services/projector/src/index[.]ts$' },
    },
    {
      name: 'only-the-operator-knows-the-projector',
      comment: 'Its command line and console do by hand what the projector does by itself, with the same code.',
      severity: 'error',
      from: { path: '^packages/', pathNot: '^packages/(describe|system-tests|deployment|bench|operator)/' },
      to: { path: '^services/projector/src/index[.]ts$' },
    },
    {
      name: 'operations-know-no-face',
      comment: 'The command line and the HTTP API are two faces of the same operations.',
      severity: 'error',
      from: { path: '^packages/operator/src/operations/' },
      to: { path: '^packages/operator/src/', pathNot: '^packages/operator/src/operations/' },
    },
    {
      name: 'no-test-code-in-production',
      comment: 'Test code and tools are not deployed: a service that imports them does not start.',
      severity: 'error',
      from: { path: '^(services/[^/]+|packages/(contracts|service-kit|telemetry|operator))/src/' },
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
    // What is built; and the peers, whose libraries only `pnpm bench` installs.
    exclude: { path: ['^(packages|services)/[^/]+/dist/', '(^|/)[.]tap/', '^packages/bench/peers/'] },
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
