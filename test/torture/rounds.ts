import type { Round } from './round.ts'
import { agentNetwork } from './rounds/agent-network.ts'
import { agents } from './rounds/agents.ts'
import { commandNetwork } from './rounds/command-network.ts'
import { controlPlane } from './rounds/control-plane.ts'
import { databaseNetwork } from './rounds/database-network.ts'
import { failover } from './rounds/failover.ts'
import { fullDatabase } from './rounds/full-database.ts'
import { fullHome } from './rounds/full-home.ts'
import { postgres } from './rounds/postgres.ts'
import { stalePlane } from './rounds/stale-plane.ts'
import { stoppedAgents } from './rounds/stopped-agents.ts'
import { stoppedPostgres } from './rounds/stopped-postgres.ts'
import { thousand } from './rounds/thousand.ts'
import { twoPlanes } from './rounds/two-planes.ts'

/** All rounds, in the order in which they are run. */
export const rounds: Record<string, Round> = {
  'control-plane': controlPlane,
  postgres,
  agents,
  'two-planes': twoPlanes,
  'stale-plane': stalePlane,
  'stopped-agents': stoppedAgents,
  'stopped-postgres': stoppedPostgres,
  'full-database': fullDatabase,
  'full-home': fullHome,
  'agent-network': agentNetwork,
  'command-network': commandNetwork,
  'database-network': databaseNetwork,
  failover,
  thousand,
}
