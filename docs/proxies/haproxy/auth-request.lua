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
local passed_on = { "cookie", "authorization", "accept", "user-agent", "x-request-id", "traceparent" }

-- What of Rollcall's answer reaches the client.
local answered = { "location", "www-authenticate", "content-type", "cache-control", "retry-after" }

-- For one try; HAProxy makes four.
local timeout_ms = 2000

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
    headers["x-forwarded-uri"] = { txn.sf:pathq() }
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
