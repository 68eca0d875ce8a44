-- Asks Rollcall whether a request's session is good: http-request lua.rollcall URL
--
-- On 2xx the request gets the identity headers and goes on, with txn.rollcall set to
-- "good". Any other answer, a redirect too, is the client's answer. When there is
-- none the client gets 503. HAProxy goes on with its rules when an action breaks, so
-- a rule after this one must deny unless txn.rollcall is "good".

local identity = {
    "x-rollcall-user",
    "x-rollcall-session",
    "x-rollcall-authenticated-at",
    "x-rollcall-methods",
    "x-rollcall-expires-at",
    "x-rollcall-acr",
}

-- What the client said is passed on in these only.
local passed_on = {
    "cookie", "authorization", "user-agent", "x-request-id", "traceparent", "origin",
    -- From the rest Rollcall tells a browser on its way to a page from a script.
    "accept", "sec-fetch-mode", "sec-fetch-dest",
    "x-requested-with", "hx-request", "x-pjax", "turbo-frame", "x-turbo-request-id", "x-turbolinks-request",
    "x-inertia", "x-up-version", "x-livewire", "fx-request", "datastar-request",
}

-- What of Rollcall's answer reaches the client.
local answered = {
    "location", "www-authenticate", "content-type", "cache-control", "retry-after",
    "vary", "access-control-allow-origin", "access-control-allow-credentials",
}

-- For one try; HAProxy makes four.
local timeout_ms = 2000

-- In bytes. HAProxy writes a request's line and header into one buffer (tune.bufsize,
-- 16384); the path has been in the client's request already.
local longest_uri = 8000

local function first(headers, name)
    local values = headers and headers[name]
    return values and values[0]
end

local function question(txn)
    local asked = txn.http:req_get_headers()
    local headers = {}
    for _, name in ipairs(passed_on) do
        local values = {}
        local i = 0
        while asked[name] and asked[name][i] do
            values[i + 1] = asked[name][i]
            i = i + 1
        end
        if i > 0 then
            headers[name] = values
        end
    end
    headers["x-forwarded-for"] = { txn.sf:src() }
    headers["x-forwarded-proto"] = { "https" }
    headers["x-forwarded-host"] = { first(asked, "host") }
    headers["x-forwarded-method"] = { txn.sf:method() }
    local uri = txn.sf:pathq()
    if #uri <= longest_uri then
        headers["x-forwarded-uri"] = { uri }
    end
    return headers
end

local function answer(txn, status, from, body)
    local reply = txn:reply({ status = status, body = body })
    for _, name in ipairs(answered) do
        local value = first(from, name)
        if value then
            reply:add_header(name, value)
        end
    end
    txn:done(reply)
end

core.register_action("rollcall", { "http-req" }, function(txn, url)
    local response = core.httpclient():get({ url = url, headers = question(txn), timeout = timeout_ms })
    local status = response and response.status or 0
    if status >= 200 and status < 300 then
        for _, name in ipairs(identity) do
            txn.http:req_set_header(name, first(response.headers, name) or "")
        end
        txn:set_var("txn.rollcall", "good")
        return
    end
    if status < 300 then
        status = 503
    end
    answer(txn, status, response and response.headers, response and response.body or "")
end, 1)
