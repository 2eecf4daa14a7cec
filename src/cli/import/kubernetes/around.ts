/** What is known besides a manifest itself. */
export type Setting = {
  /** The name of the object: the names of its pods begin with it. */
  object: string
  /** What starts an image for which no command is written. */
  entrypoint: string | undefined
  /** What ConfigMaps of the same file hold, by their names. */
  configMaps: ReadonlyMap<string, Record<string, string>>
}

/** What a pod finds around it: it is the same for all pods of an object. */
export type Around = Setting & {
  /** Variables that the object's controller sets in each pod, as a shell makes them here. */
  injected: readonly (readonly [name: string, value: string])[]
  /** Variables that Isobar sets by the same names as the controller does. */
  known?: readonly string[]
  /** The number of a pod within its object, as a shell knows it. */
  index: string
  isGang: boolean
  isService: boolean
  /** The name of the container that counts where there are several. */
  container?: string
  /** Commands that run whatever the container says. */
  instead?: string
}
