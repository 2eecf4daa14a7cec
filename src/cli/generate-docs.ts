import { writeFileSync } from 'node:fs'

import { reference } from './reference.ts'
import { tree } from './tree.ts'

// Writes docs/reference/cli.md; a test compares it.
writeFileSync(new URL('../../docs/reference/cli.md', import.meta.url), reference(tree))
