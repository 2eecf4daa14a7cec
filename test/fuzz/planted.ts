import { allPlanted } from '#simulator/house/invariants/planted.ts'
import { missed } from '#rigs/planted.ts'

/** Plants each fault and says whether its invariant sees it: `npm run fuzz:planted`. */
const began = Date.now()
const unseen: string[] = []
for (const planted of allPlanted) {
  const since = Date.now()
  const why = await missed(planted)
  if (why !== null) unseen.push(planted.fault)
  const took = `${Date.now() - since} ms`.padStart(8)
  console.log(
    `${why === null ? 'seen  ' : 'MISSED'} ${took}  ${planted.fault}${why === null ? '' : `\n        ${why}`}`,
  )
}
console.log(
  `${allPlanted.length - unseen.length} of ${allPlanted.length} planted faults are seen, in ${Date.now() - began} ms`,
)
process.exitCode = unseen.length > 0 ? 1 : 0
