package app;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/** The calls of a Rollcall server that an application makes. Many threads may use it at once. */
public class Rollcall {
    /** How long a call may take. A check is on the way of every request. */
    private static final Duration TIMEOUT = Duration.ofSeconds(3);

    /** A call has no answer that can be trusted: nobody may pass. */
    public static class Unknown extends RuntimeException {
        Unknown(String message, Exception cause) {
            super(message, cause);
        }
    }

    /** What the server says of a session token; challenge is null when it is good. */
    public record Verdict(boolean good, String userId, String sessionId, String acr, String challenge) {}

    private final HttpClient http = HttpClient.newBuilder().connectTimeout(TIMEOUT).build();
    private final ObjectMapper json = new ObjectMapper();
    private final String url;
    private final Map<String, Object> form;
    private String token;
    private Instant until = Instant.MIN;

    public Rollcall(String url, String clientId, String clientSecret) {
        this.url = url;
        this.form = Map.of("grant_type", "client_credentials", "client_id", clientId, "client_secret", clientSecret,
                "audience", url + "/api/v2/");
    }

    /** Asks about a session token. Without touch no use is recorded; acr may be null. */
    public Verdict check(String sessionToken, String ip, String userAgent, String acr, boolean touch) {
        Map<String, Object> body = new HashMap<>(Map.of("token", sessionToken, "device", device(ip, userAgent), "touch", touch));
        if (acr != null) {
            body.put("acr", acr);
        }
        JsonNode said = read(call("/v1/check", body, null));
        return new Verdict(said.path("good").asBoolean(false), said.path("user_id").asText(null), said.path("session_id").asText(null),
                said.path("acr").asText(null), said.path("challenge").asText(null));
    }

    /** Makes a session, and returns the value of Set-Cookie. replaces is the token that the browser held before, or null. */
    public String signIn(String userId, List<Map<String, String>> methods, String ip, String userAgent, String replaces) {
        Map<String, Object> body = new HashMap<>(
                Map.of("user_id", userId, "authentication", Map.of("methods", methods), "device", device(ip, userAgent)));
        if (replaces != null) {
            body.put("replaces", replaces);
        }
        // The key makes it safe to repeat a call whose answer was lost.
        return setCookie(call("/v1/sessions", body, UUID.randomUUID().toString()));
    }

    /**
     * Ends a session by its own token, and returns the value of Set-Cookie that makes the browser forget it; nothing when
     * the session was over already.
     */
    public Optional<String> signOut(String sessionToken) {
        HttpResponse<String> answer = send("/v1/sessions/end", sessionToken, null, null);
        return answer.statusCode() == 401 ? Optional.empty() : Optional.of(setCookie(good(answer)));
    }

    private HttpResponse<String> call(String path, Map<String, Object> body, String key) {
        String before = managementToken(null);
        HttpResponse<String> answer = send(path, before, body, key);
        if (answer.statusCode() == 401) { // it is not accepted any more: once more with a new one
            answer = send(path, managementToken(before), body, key);
        }
        return good(answer);
    }

    private synchronized String managementToken(String insteadOf) {
        if (token == null || token.equals(insteadOf) || !Instant.now().isBefore(until)) {
            JsonNode said = read(good(send("/oauth/token", null, form, null)));
            token = said.path("access_token").asText();
            until = Instant.now().plusSeconds(said.path("expires_in").asLong() - 60);
        }
        return token;
    }

    private HttpResponse<String> send(String path, String bearer, Map<String, Object> body, String key) {
        try {
            HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + path)).timeout(TIMEOUT).POST(body == null
                    ? HttpRequest.BodyPublishers.noBody()
                    : HttpRequest.BodyPublishers.ofString(json.writeValueAsString(body)));
            if (body != null) {
                request.header("Content-Type", "application/json");
            }
            if (bearer != null) {
                request.header("Authorization", "Bearer " + bearer);
            }
            if (key != null) {
                request.header("Idempotency-Key", key);
            }
            return http.send(request.build(), HttpResponse.BodyHandlers.ofString());
        } catch (IOException e) {
            throw new Unknown(path + ": no answer", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Unknown(path + ": interrupted", e);
        }
    }

    private static HttpResponse<String> good(HttpResponse<String> answer) {
        if (answer.statusCode() / 100 != 2) {
            throw new Unknown("the session server answers " + answer.statusCode() + ": " + answer.body(), null);
        }
        return answer;
    }

    private JsonNode read(HttpResponse<String> answer) {
        try {
            return json.readTree(answer.body());
        } catch (IOException e) {
            throw new Unknown("the session server's answer cannot be read", e);
        }
    }

    private static String setCookie(HttpResponse<String> answer) {
        return answer.headers().firstValue("Set-Cookie").orElseThrow(() -> new Unknown("the session server sends no cookie", null));
    }

    /** Leaves out what is not known: an empty address would be no address. */
    private static Map<String, String> device(String ip, String userAgent) {
        Map<String, String> device = new HashMap<>();
        if (ip != null) {
            device.put("ip", ip);
        }
        if (userAgent != null) {
            device.put("user_agent", userAgent);
        }
        return device;
    }
}
