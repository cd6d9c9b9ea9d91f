// The calls of the reference-api, from its OpenAPI document: written by `pnpm generate`.

export interface paths {
    "/config/{key}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One setting of the application */
        get: operations["getSetting"];
        /** Create or change a setting */
        put: operations["putSetting"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Whether the process is alive
         * @description Does no I/O: for liveness probes.
         */
        get: operations["getHealth"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/jobs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The state of a job */
        get: operations["getJob"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The metrics of this process */
        get: operations["getMetrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/orders": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * A page of orders, newest first
         * @description A page is kept, encoded and compressed, for `CACHE_PAGE_TTL_MS`.
         */
        get: operations["listOrders"];
        put?: never;
        /** Place an order */
        post: operations["createOrder"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/orders/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One order */
        get: operations["getOrder"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/process-data": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Process a JSON object in a background job
         * @description The reply is sent once the job is stored. `GET /jobs/{id}` reports its state.
         */
        post: operations["processData"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/products": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A page of products, by id */
        get: operations["listProducts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/products/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One product */
        get: operations["getProduct"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ready": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Whether the service can answer requests
         * @description One row for each dependency: for readiness probes and load balancers.
         */
        get: operations["getReadiness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/services": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * How fast every configured system answers
         * @description One command of its protocol for each, with the time above which it counts as slow.
         */
        get: operations["listServices"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A page of users, by id */
        get: operations["listUsers"];
        put?: never;
        /** Create a user */
        post: operations["createUser"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * One user
         * @description The header `x-cache` names the source: `l1`, `l2`, `miss` or `off`.
         */
        get: operations["getUser"];
        put?: never;
        post?: never;
        /** Delete a user without orders */
        delete: operations["deleteUser"];
        options?: never;
        head?: never;
        /** Change the email or the name of a user */
        patch: operations["updateUser"];
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: never;
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    getSetting: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @example checkout.enabled */
                key: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The setting; with an `etag` if the request has `if-none-match` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        key: string;
                        /** Format: date-time */
                        updatedAt: string;
                        /** @description Any JSON */
                        value: unknown;
                    };
                };
            };
            /** @description The client has this row: `if-none-match` names its `etag` */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description There is no such setting */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
            /** @description Any other error, as a problem of RFC 9457 */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
        };
    };
    putSetting: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @example checkout.enabled */
                key: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @example true */
                    value: unknown;
                };
            };
        };
        responses: {
            /** @description The changed setting */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        key: string;
                        /** Format: date-time */
                        updatedAt: string;
                        /** @description Any JSON */
                        value: unknown;
                    };
                };
            };
            /** @description The new setting */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        key: string;
                        /** Format: date-time */
                        updatedAt: string;
                        /** @description Any JSON */
                        value: unknown;
                    };
                };
            };
            /** @description Any other error, as a problem of RFC 9457 */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
        };
    };
    getHealth: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The process answers */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "status": "ok"
                     *     }
                     */
                    "application/json": {
                        status: string;
                    };
                };
            };
            /** @description Any other error, as a problem of RFC 9457 */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
        };
    };
    getJob: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The job */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        attempts: number;
                        /** @description Null unless an attempt failed */
                        error: unknown;
                        id: string;
                        progress: number;
                        /** @description Null until completed */
                        result: unknown;
                        /** @enum {string} */
                        state: "queued" | "active" | "retrying" | "completed" | "failed" | "cancelled";
                    };
                };
            };
            /** @description There is no such job */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
            /** @description Any other error, as a problem of RFC 9457 */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
        };
    };
    getMetrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Prometheus text, or OpenMetrics when the scraper accepts it */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/openmetrics-text": string;
                    "text/plain": string;
                };
            };
            /** @description Any other error, as a problem of RFC 9457 */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
        };
    };
    listOrders: {
        parameters: {
            query?: {
                /** @description `next` of the page before */
                after?: string;
                /** @description How many rows */
                limit?: number;
                status?: "pending" | "paid" | "shipped" | "cancelled";
                /** @example 42 */
                userId?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page; `next` is null on the last one */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: {
                            /**
                             * Format: date-time
                             * @example 2026-01-31T12:00:00.000Z
                             */
                            createdAt: string;
                            /** @example 42 */
                            id: number;
                            /** @example 42 */
                            productId: number;
                            /** @example 2 */
                            quantity: number;
                            /** @enum {string} */
                            status: "pending" | "paid" | "shipped" | "cancelled";
                            /** @example 3980 */
                            totalCents: number;
                            /** @example 42 */
                            userId: number;
                        }[];
                        /** @description `after` of the next page */
                        next: string | null;
                    };
                };
            };
            /** @description Any other error, as a problem of RFC 9457 */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
        };
    };
    createOrder: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description Repeating the call with the same key within 24 h repeats its answer, not its effect.
                 * @example 2f1c7a1e-order-17
                 */
                "idempotency-key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @example 42 */
                    productId: number;
                    /** @example 2 */
                    quantity: number;
                    /** @example 42 */
                    userId: number;
                };
            };
        };
        responses: {
            /** @description The new order; `location` has its path */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /**
                         * Format: date-time
                         * @example 2026-01-31T12:00:00.000Z
                         */
                        createdAt: string;
                        /** @example 42 */
                        id: number;
                        /** @example 42 */
                        productId: number;
                        /** @example 2 */
                        quantity: number;
                        /** @enum {string} */
                        status: "pending" | "paid" | "shipped" | "cancelled";
                        /** @example 3980 */
                        totalCents: number;
                        /** @example 42 */
                        userId: number;
                    };
                };
            };
            /** @description There is no such user or product, or the idempotency-key was used with another body */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
            /** @description Any other error, as a problem of RFC 9457 */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
        };
    };
    getOrder: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @example 42 */
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The order; with an `etag` if the request has `if-none-match` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /**
                         * Format: date-time
                         * @example 2026-01-31T12:00:00.000Z
                         */
                        createdAt: string;
                        /** @example 42 */
                        id: number;
                        /** @example 42 */
                        productId: number;
                        /** @example 2 */
                        quantity: number;
                        /** @enum {string} */
                        status: "pending" | "paid" | "shipped" | "cancelled";
                        /** @example 3980 */
                        totalCents: number;
                        /** @example 42 */
                        userId: number;
                    };
                };
            };
            /** @description The client has this row: `if-none-match` names its `etag` */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description There is no such order */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
            /** @description Any other error, as a problem of RFC 9457 */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
        };
    };
    processData: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description Repeating the call with the same key within 24 h repeats its answer, not its effect.
                 * @example 2f1c7a1e-order-17
                 */
                "idempotency-key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "hello": "world"
                 *     }
                 */
                "application/json": {
                    [key: string]: unknown;
                };
            };
        };
        responses: {
            /** @description The job is stored; `location` has its path */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** Format: uuid */
                        jobId: string;
                        /** @enum {string} */
                        status: "processing";
                    };
                };
            };
            /** @description The idempotency-key was used with another body */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
            /** @description Any other error, as a problem of RFC 9457 */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
        };
    };
    listProducts: {
        parameters: {
            query?: {
                /** @description `next` of the page before */
                after?: string;
                /** @description How many rows */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page; `next` is null on the last one */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: {
                            /** @example home */
                            category: string;
                            /** @example 42 */
                            id: number;
                            /** @example Lamp */
                            name: string;
                            /** @example 1990 */
                            priceCents: number;
                        }[];
                        /** @description `after` of the next page */
                        next: string | null;
                    };
                };
            };
            /** @description Any other error, as a problem of RFC 9457 */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
        };
    };
    getProduct: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @example 42 */
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The product; with an `etag` if the request has `if-none-match` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @example home */
                        category: string;
                        /** @example 42 */
                        id: number;
                        /** @example Lamp */
                        name: string;
                        /** @example 1990 */
                        priceCents: number;
                    };
                };
            };
            /** @description The client has this row: `if-none-match` names its `etag` */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description There is no such product */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
            /** @description Any other error, as a problem of RFC 9457 */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
        };
    };
    getReadiness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every required dependency answers; another one may be `degraded` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        checks: {
                            /** @example ECONNREFUSED */
                            error?: string;
                            /** @example 0.8 */
                            latencyMs: number;
                            /** @example postgres */
                            name: string;
                            /** @example READONLY: the server is a replica, which accepts no writes */
                            reason?: string;
                            /** @enum {string} */
                            status: "ok" | "degraded" | "down";
                        }[];
                        /** @enum {string} */
                        status: "ok" | "degraded" | "down";
                    };
                };
            };
            /** @description A required dependency is unavailable, or shutdown has begun */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        checks: {
                            /** @example ECONNREFUSED */
                            error?: string;
                            /** @example 0.8 */
                            latencyMs: number;
                            /** @example postgres */
                            name: string;
                            /** @example READONLY: the server is a replica, which accepts no writes */
                            reason?: string;
                            /** @enum {string} */
                            status: "ok" | "degraded" | "down";
                        }[];
                        /** @enum {string} */
                        status: "ok" | "degraded" | "down";
                    };
                };
            };
            /** @description Any other error, as a problem of RFC 9457 */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
        };
    };
    listServices: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A row for each system */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @example redis */
                        name: string;
                        /** @example 0.3 */
                        responseMs: number;
                        /** @enum {string} */
                        status: "ok" | "slow" | "down";
                        /** @example 5 */
                        thresholdMs: number;
                    }[];
                };
            };
            /** @description Any other error, as a problem of RFC 9457 */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
        };
    };
    listUsers: {
        parameters: {
            query?: {
                /** @description `next` of the page before */
                after?: string;
                /** @description How many rows */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page; `next` is null on the last one */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: {
                            /**
                             * Format: date-time
                             * @example 2026-01-31T12:00:00.000Z
                             */
                            createdAt: string;
                            /** @example ada@example.com */
                            email: string;
                            /** @example 42 */
                            id: number;
                            /** @example Ada Lovelace */
                            name: string;
                        }[];
                        /** @description `after` of the next page */
                        next: string | null;
                    };
                };
            };
            /** @description Any other error, as a problem of RFC 9457 */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
        };
    };
    createUser: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description Repeating the call with the same key within 24 h repeats its answer, not its effect.
                 * @example 2f1c7a1e-order-17
                 */
                "idempotency-key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @example ada@example.com */
                    email: string;
                    /** @example Ada Lovelace */
                    name: string;
                };
            };
        };
        responses: {
            /** @description The new user; `location` has its path */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /**
                         * Format: date-time
                         * @example 2026-01-31T12:00:00.000Z
                         */
                        createdAt: string;
                        /** @example ada@example.com */
                        email: string;
                        /** @example 42 */
                        id: number;
                        /** @example Ada Lovelace */
                        name: string;
                    };
                };
            };
            /** @description Another user has this email */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
            /** @description The idempotency-key was used with another body */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
            /** @description Any other error, as a problem of RFC 9457 */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
        };
    };
    getUser: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @example 42 */
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user; with an `etag` if the request has `if-none-match` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /**
                         * Format: date-time
                         * @example 2026-01-31T12:00:00.000Z
                         */
                        createdAt: string;
                        /** @example ada@example.com */
                        email: string;
                        /** @example 42 */
                        id: number;
                        /** @example Ada Lovelace */
                        name: string;
                    };
                };
            };
            /** @description The client has this row: `if-none-match` names its `etag` */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description There is no such user */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
            /** @description Any other error, as a problem of RFC 9457 */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
        };
    };
    deleteUser: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @example 42 */
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user is deleted */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description There is no such user */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
            /** @description The user has orders */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
            /** @description Any other error, as a problem of RFC 9457 */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
        };
    };
    updateUser: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description The `etag` of the row that the change is based on: it is refused (412) when the row is another one by now.
                 * @example "q5vXnkHq2N6lK0yI8nZ3Wg"
                 */
                "if-match"?: string;
            };
            path: {
                /** @example 42 */
                id: number;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @example ada@example.com */
                    email?: string;
                    /** @example Ada Lovelace */
                    name?: string;
                };
            };
        };
        responses: {
            /** @description The changed user */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /**
                         * Format: date-time
                         * @example 2026-01-31T12:00:00.000Z
                         */
                        createdAt: string;
                        /** @example ada@example.com */
                        email: string;
                        /** @example 42 */
                        id: number;
                        /** @example Ada Lovelace */
                        name: string;
                    };
                };
            };
            /** @description There is no such user */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
            /** @description Another user has this email */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
            /** @description The user is not the one that `if-match` names */
            412: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
            /** @description Any other error, as a problem of RFC 9457 */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": {
                        /** @description A stable name for programs */
                        code: string;
                        detail?: string;
                        errors?: {
                            field: string;
                            message: string;
                        }[];
                        instance?: string;
                        requestId: string;
                        status: number;
                        title: string;
                        type: string;
                    };
                };
            };
        };
    };
}
