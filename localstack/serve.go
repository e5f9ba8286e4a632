package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"time"
)

// serve is the background process beside the emulator: the page's address, the mailbox, and the door to the emulated
// services.
func serve(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	page := flags.String("page", "", "address of the page and the API")
	mailboxAddr := flags.String("mailbox", "", "address of the mailbox")
	mails := flags.String("mails", "", "file in which e-mails are kept")
	services := flags.String("services", "", "address of the emulated services")
	emulator := flags.String("emulator", "", "URL of the emulator itself")
	api := flags.String("api", "", "file with the identifier of the API")
	if err := flags.Parse(args); err != nil {
		return err
	}
	target, err := url.Parse(*emulator)
	if err != nil {
		return err
	}
	box, err := openMailbox(*emulator+sentMail, *mails)
	if err != nil {
		return err
	}
	servers := []*http.Server{
		{Addr: *page, Handler: apiProxy(target, *api, *page), ReadHeaderTimeout: 10 * time.Second},
		{Addr: *services, Handler: servicesProxy(target), ReadHeaderTimeout: 10 * time.Second},
		{Addr: *mailboxAddr, Handler: box.handler(), ReadHeaderTimeout: 10 * time.Second},
	}
	failed := make(chan error, len(servers))
	for _, server := range servers {
		go func() { failed <- server.ListenAndServe() }()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var copying sync.WaitGroup
	copying.Go(func() { box.keep(ctx) })
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	cancel()
	copying.Wait()
	shutdownCtx, cancelShutdown := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancelShutdown()
	for _, server := range servers {
		_ = server.Shutdown(shutdownCtx)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// apiProxy forwards everything to one HTTP API, as it would arrive there without a proxy. apiFile holds the API's
// identifier once it is deployed; address is the proxy's own.
//
// The emulator tells HTTP APIs apart by host name, http://<api>.execute-api.localhost:4566. Browsers and newer curls
// take any name below localhost for the loopback interface, but not every resolver does, and the name changes with
// the stack; besides, the emulator keeps some paths for itself under every name (POST /login belongs to its Cognito).
// So the proxy uses its other form of address, in which the API is part of the path. In front of it, the address is
// short, stays the same and has the paths of the template.
func apiProxy(emulator *url.URL, apiFile, address string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The buckets' CORS rules know one origin; somebody who typed the other name of this machine is led to it.
		if name, _, err := net.SplitHostPort(r.Host); err == nil && name == "localhost" && r.Method == http.MethodGet && r.URL.Path == "/" {
			http.Redirect(w, r, "http://"+address+"/", http.StatusTemporaryRedirect)
			return
		}
		api, err := os.ReadFile(apiFile)
		if err != nil {
			unavailable(w, r, err)
			return
		}
		base := *emulator
		base.Path = "/_aws/execute-api/" + string(api) + "/$default"
		forward(&base).ServeHTTP(w, r)
	})
}

// servicesProxy forwards to the emulator and tells it that the request came by TLS. It did not, but it stayed on this
// machine, and the policies of buckets and queues, which the emulator enforces, refuse what came without.
func servicesProxy(emulator *url.URL) http.Handler {
	proxy := forward(emulator)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("X-Forwarded-Proto", "https")
		proxy.ServeHTTP(w, r)
	})
}

// transport hands requests and answers on as they are; a compression of its own would change signed headers.
var transport = &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}

func forward(base *url.URL) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(base)
			r.Out.Host = r.In.Host // signed by clients of S3; for the API, what a custom domain would give
			r.SetXForwarded()
			if proto := r.In.Header.Get("X-Forwarded-Proto"); proto != "" {
				r.Out.Header.Set("X-Forwarded-Proto", proto)
			}
		},
		Transport:     transport,
		FlushInterval: -1,
		ErrorHandler:  unavailable,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Otherwise the server closes the request's body once the answer begins, which now and then is a moment before
		// the transport has seen its end; it takes that for an error and cuts the answer off.
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			unavailable(w, r, err)
			return
		}
		proxy.ServeHTTP(w, r)
	})
}

// unavailable is what API Gateway answers when it cannot reach an integration.
func unavailable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		slog.Error("forward a request", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write([]byte(`{"message":"Service Unavailable"}`))
}

// helperArgs are the arguments serve is started with.
func helperArgs(p ports, apiFile, mails string) []string {
	return []string{
		"serve", "-page", loopback(p.Page), "-services", loopback(p.Emulator), "-mailbox", loopback(p.Mailbox),
		"-mails", mails, "-emulator", internalURL(p), "-api", apiFile,
	}
}
