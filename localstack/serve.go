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
	"sync"
	"time"
)

// serve is the background process beside the emulator. It gives the API an address that every client can use, and
// people a mailbox.
//
// The emulator tells HTTP APIs apart by host name, http://<api>.execute-api.localhost:4566. Browsers and newer curls
// take any name below localhost for the loopback interface, but not every resolver does, and the name changes with
// the stack; besides, the emulator keeps some paths for itself under every name (POST /login belongs to its Cognito).
// So the proxy uses its other form of address, in which the API is part of the path. In front of it, the address is
// short, stays the same and has the paths of the template.
func serve(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	page := flags.String("page", "", "address of the page and the API")
	mailboxAddr := flags.String("mailbox", "", "address of the mailbox")
	mails := flags.String("mails", "", "file in which e-mails are kept")
	emulator := flags.String("emulator", "", "URL of the emulator")
	api := flags.String("api", "", "identifier of the API")
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

// apiProxy forwards everything to one HTTP API, as it would arrive there without a proxy. address is the proxy's own.
func apiProxy(emulator *url.URL, api, address string) http.Handler {
	base := *emulator
	base.Path = "/_aws/execute-api/" + api + "/$default"
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&base)
			r.Out.Host = r.In.Host // as with a custom domain
			r.SetXForwarded()
		},
		FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				slog.Error("forward a request", "method", r.Method, "path", r.URL.Path, "error", err)
			}
			// What API Gateway answers when it cannot reach an integration.
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"message":"Service Unavailable"}`))
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The buckets' CORS rules know one origin; somebody who typed the other name of this machine is led to it.
		if name, _, err := net.SplitHostPort(r.Host); err == nil && name == "localhost" && r.Method == http.MethodGet && r.URL.Path == "/" {
			http.Redirect(w, r, "http://"+address+"/", http.StatusTemporaryRedirect)
			return
		}
		proxy.ServeHTTP(w, r)
	})
}

// helperArgs are the arguments serve is started with.
func helperArgs(p ports, api, mails string) []string {
	return []string{
		"serve", "-page", loopback(p.Page), "-mailbox", loopback(p.Mailbox), "-mails", mails,
		"-emulator", emulatorURL(p), "-api", api,
	}
}
