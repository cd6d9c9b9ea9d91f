import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/** @returns what stops listening */
export function listen<Message>(name: string, listener: (message: Message) => void): () => void {
  const onMessage = (message: unknown) => listener(message as Message)
  subscribe(name, onMessage)
  return () => unsubscribe(name, onMessage)
}
