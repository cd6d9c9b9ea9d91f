import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/**
 * Subscribes to a diagnostics channel.
 *
 * @returns a function that unsubscribes
 */
export function listen<Message>(name: string, listener: (message: Message) => void): () => void {
  const onMessage = (message: unknown) => listener(message as Message)
  subscribe(name, onMessage)
  return () => unsubscribe(name, onMessage)
}
