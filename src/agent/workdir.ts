import { makeFolderSync } from '#kit/make-folder.ts'
import type { Go } from '#model/agent-protocol.ts'

import type { ControlPlane } from './control-plane.ts'

/** Tries to bring the workdir before the rank gives up: about a minute and a half in all. */
const mostTries = 25

/**
 * Fetches the bundle that `go` names and unpacks it into `folder`, an empty one where there is none. The address
 * expires, so each try uses the latest `go`; throws when it cannot be had.
 */
export async function fetchWorkdir(options: {
  dial: () => Promise<ControlPlane>
  go: () => Go
  folder: string
}): Promise<void> {
  const { dial, go, folder } = options
  for (let tries = 1; ; tries++) {
    const { bundle } = go()
    try {
      if (bundle) await unpack(bundle, await dial(), folder)
      else makeFolderSync(folder)
      return
    } catch (error) {
      if (!bundle || tries >= mostTries) throw new Error('the workdir could not be brought here', { cause: error })
      await new Promise((resolve) => setTimeout(resolve, Math.min(5000, 50 * 2 ** tries)))
    }
  }
}

type Packed = NonNullable<Go['bundle']>

async function unpack(bundle: Packed, controlPlane: ControlPlane, folder: string): Promise<void> {
  // Many ranks have no workdir, and reading archives takes as long to load as all the rest of an agent.
  const [stream, { unpackBundle }] = await Promise.all([controlPlane.open(bundle.url), import('#kit/bundle-unpack.ts')])
  const unpacked = await unpackBundle(stream, folder, bundle.hash)
  if ('problem' in unpacked) throw new Error(unpacked.problem)
}
