/** Path from the root to the text that the file should have; undefined for a file that should not exist. */
export type GeneratedFiles = ReadonlyMap<string, string | undefined>
