import assert from 'node:assert/strict'

import { createCheckers } from '#simulator/house/invariants/invariants.ts'
import { nothingIsForgotten, rowsAgree } from '#simulator/house/invariants/kept.ts'
import { spentIsTheSum, theLedgerIsExact } from '#simulator/house/invariants/money.ts'
import { noNodeIsGivenTwice } from '#simulator/house/invariants/owner.ts'
import { readTables } from '#simulator/house/invariants/postgres-tables.ts'
import { quotasHold } from '#simulator/house/invariants/quotas.ts'
import { tasksCountOnce } from '#simulator/house/invariants/tasks.ts'
import { endsAreExplained } from '#simulator/house/invariants/told.ts'
import { attemptsAreNumbered } from '#simulator/house/invariants/twice.ts'
import { workIsWhereItMayBe } from '#simulator/house/invariants/where.ts'
import { gangsAreWhole, preemptedWhole } from '#simulator/house/invariants/whole.ts'
import { type Database, openDatabase } from '#store/database.ts'

/** Those of the simulated house that one look at rows can tell, whoever made them: rules 2 to 6, 8 and 9 of DESIGN.md. */
const ofRows = () => [
  nothingIsForgotten(),
  rowsAgree(),
  noNodeIsGivenTwice(),
  gangsAreWhole(),
  preemptedWhole(),
  attemptsAreNumbered(),
  tasksCountOnce(),
  endsAreExplained(),
  theLedgerIsExact(),
  spentIsTheSum(),
  workIsWhereItMayBe(),
  quotasHold(),
]

/**
 * Asserts what must be true of a house whenever one looks at its store. `there`: the tokens of what its sites really have of
 * it; each is that of a lease that is not over, or it is leaked.
 */
export async function assertInvariants(url: string, there: () => Promise<readonly string[]>): Promise<void> {
  const database = await openDatabase({ url, size: 1 })
  try {
    // What is begun meanwhile has its lease before, and what is ended has it until then.
    const before = await openLeases(database)
    const tokens = await there()
    const open = new Set([...before, ...(await openLeases(database))])
    const leaked = tokens
      .filter((token) => !open.has(token))
      .map((token) => `rule 2, nothing is leaked: ${token} is there`)
    assert.deepEqual([...leaked, ...(await breachesIn(database))], [])
  } finally {
    await database.close()
  }
}

async function openLeases(database: Database): Promise<string[]> {
  const { leases } = await readTables(database)
  return [...leases.values()].filter(({ state }) => state !== 'gone' && state !== 'refused').map(({ id }) => id)
}

const nobody = () => []

async function breachesIn(database: Database): Promise<string[]> {
  const { look } = createCheckers(
    {
      tables: () => readTables(database),
      events: { since: async () => [] },
      clock: Date,
      clouds: new Map(),
      calls: nobody,
      asked: nobody,
      decisions: nobody,
      able: () => true,
    },
    ofRows(),
  )
  return (await look()).map(({ invariant, rule, what }) => `rule ${rule}, ${invariant}: ${what}`)
}
