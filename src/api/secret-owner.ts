/** What a sealed secret is bound to, so that it opens under its own name only. */
export const secretOwner = (project: string, name: string): string => `${project}/${name}`
