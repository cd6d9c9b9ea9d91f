import { AppError } from '@reference/errors'

/** All threads are busy and the queue is full. */
export function queueFull(maxQueue: number): AppError {
  const message = `The worker threads are busy, and ${maxQueue} tasks are queued`
  return new AppError('WORKER_QUEUE_FULL', 503, message, { retryAfterSeconds: 1 })
}

export function taskTimedOut(timeoutMs: number): AppError {
  return new AppError('WORKER_TIMEOUT', 504, `The task was not done within ${timeoutMs} ms`)
}

export function threadCrashed(cause: unknown): AppError {
  return new AppError('WORKER_CRASHED', 500, 'The worker thread ended while it ran the task', { cause })
}

export function poolClosed(): AppError {
  return new AppError('WORKER_POOL_CLOSED', 503, 'The worker pool is closed', { retryAfterSeconds: 1 })
}
