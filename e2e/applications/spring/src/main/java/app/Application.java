package app;

import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.http.HttpHeaders;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestAttribute;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.method.HandlerMethod;
import org.springframework.web.servlet.HandlerInterceptor;
import org.springframework.web.servlet.config.annotation.InterceptorRegistry;
import org.springframework.web.servlet.config.annotation.WebMvcConfigurer;

/** A Spring application whose sessions are Rollcall's. */
@SpringBootApplication
@RestController
public class Application implements WebMvcConfigurer, HandlerInterceptor {
    /** Only those pass who are signed in, well enough for acr. touch = false is for requests that no person makes. */
    @Retention(RetentionPolicy.RUNTIME)
    @interface SignedIn {
        String acr() default "";

        boolean touch() default true;
    }

    // The server's cookie_domain decides the name: with one it is __Secure-rollcall.
    private static final String COOKIE = "__Host-rollcall";
    private static final String FORGET = COOKIE + "=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax";

    private final Rollcall sessions;
    private final String origin;
    private final String password;

    Application(@Value("${SESSIONS_URL}") String url, @Value("${SESSIONS_CLIENT_ID}") String id,
            @Value("${SESSIONS_CLIENT_SECRET}") String secret, @Value("${APP_ORIGIN}") String origin,
            @Value("${DEMO_PASSWORD}") String password) {
        this.sessions = new Rollcall(url, id, secret);
        this.origin = origin; // this application's own, such as https://app.example.com
        this.password = password;
    }

    public static void main(String[] args) {
        SpringApplication.run(Application.class, args);
    }

    @Override
    public void addInterceptors(InterceptorRegistry registry) {
        registry.addInterceptor(this);
    }

    /** Asks before each request: is it from this application's own pages, and is the user signed in? */
    @Override
    public boolean preHandle(HttpServletRequest request, HttpServletResponse response, Object handler) throws IOException {
        if (!List.of("GET", "HEAD", "OPTIONS").contains(request.getMethod()) && !origin.equals(request.getHeader("Origin"))) {
            response.sendError(403, "This request comes from another origin.");
            return false;
        }
        SignedIn required = handler instanceof HandlerMethod method ? method.getMethodAnnotation(SignedIn.class) : null;
        if (required == null) {
            return true;
        }
        response.setHeader("Cache-Control", "no-store");
        String token = token(request);
        String challenge = "Bearer";
        if (token != null) {
            Rollcall.Verdict verdict = sessions.check(token, request.getRemoteAddr(), request.getHeader("User-Agent"),
                    required.acr().isEmpty() ? null : required.acr(), required.touch());
            if (verdict.good()) {
                request.setAttribute("session", verdict);
                return true;
            }
            challenge = verdict.challenge();
        }
        response.setHeader("WWW-Authenticate", challenge);
        response.sendError(401, "Please sign in.");
        return false;
    }

    /** The request's token. A cookie that is there twice is none: nobody can tell which is the browser's own. */
    private static String token(HttpServletRequest request) {
        List<String> found = new ArrayList<>();
        for (String header : Collections.list(request.getHeaders("Cookie"))) {
            for (String pair : header.split(";")) {
                pair = pair.replaceAll("^[ \t]+|[ \t]+$", "");
                if (pair.startsWith(COOKIE + "=")) {
                    found.add(pair.substring(COOKIE.length() + 1));
                }
            }
        }
        return found.size() == 1 ? found.get(0) : null;
    }

    /** When the session server cannot say, nobody passes: not for somebody, and not for nobody. */
    @ExceptionHandler(Rollcall.Unknown.class)
    ResponseEntity<String> unknown(Rollcall.Unknown error) {
        System.err.println(error);
        return ResponseEntity.status(503).header("Retry-After", "1").body("Nobody can say who is signed in. Please try again.\n");
    }

    @GetMapping("/")
    String hello() {
        return "Hello.\n";
    }

    @SignedIn
    @GetMapping("/account")
    String account(@RequestAttribute("session") Rollcall.Verdict session) {
        return session.userId() + "\n";
    }

    /** A page asks here by itself, every few seconds: that keeps nobody signed in. */
    @SignedIn(touch = false)
    @GetMapping("/account/news")
    String news() {
        return "No news.\n";
    }

    @SignedIn(acr = "aal2")
    @GetMapping("/payout")
    String payout() {
        return "Paid.\n";
    }

    @PostMapping("/login")
    ResponseEntity<String> login(HttpServletRequest request, @RequestParam("user") String user, @RequestParam("password") String given) {
        if (!password.equals(given)) { // here goes your own way to know people
            return ResponseEntity.status(403).body("That is not the password.\n");
        }
        String cookie = sessions.signIn(user, List.of(Map.of("name", "pwd")), request.getRemoteAddr(), request.getHeader("User-Agent"), token(request));
        return redirect("/account", cookie);
    }

    @PostMapping("/logout")
    ResponseEntity<String> logout(HttpServletRequest request) {
        String token = token(request);
        // It fails when the session may go on: then the cookie stays.
        String cookie = token == null ? FORGET : sessions.signOut(token).orElse(FORGET);
        return redirect("/", cookie);
    }

    private static ResponseEntity<String> redirect(String to, String cookie) {
        return ResponseEntity.status(303).header(HttpHeaders.LOCATION, to).header(HttpHeaders.SET_COOKIE, cookie)
                .header(HttpHeaders.CACHE_CONTROL, "no-store").build();
    }
}
