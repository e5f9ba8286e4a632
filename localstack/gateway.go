package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	apitypes "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// repairAPIs makes the routes, integrations and CORS settings that the emulator did not take from the template (see
// routes.go), and removes those that the template has no more.
func (c cloud) repairAPIs(ctx context.Context, parameters map[string]string) error {
	processed, err := c.cfn.GetTemplate(ctx, &cloudformation.GetTemplateInput{
		StackName: aws.String(stackName), TemplateStage: cfntypes.TemplateStageProcessed,
	})
	if err != nil {
		return fmt.Errorf("get the translated template: %w", err)
	}
	apis, err := httpAPIs([]byte(aws.ToString(processed.TemplateBody)), parameters)
	if err != nil {
		return err
	}
	physical, err := c.physicalIDs(ctx)
	if err != nil {
		return err
	}
	for _, api := range apis {
		if err := c.repairAPI(ctx, physical[api.LogicalID], api, physical); err != nil {
			return fmt.Errorf("make the routes of %s: %w", api.LogicalID, err)
		}
	}
	return nil
}

func (c cloud) physicalIDs(ctx context.Context) (map[string]string, error) {
	resources, err := c.cfn.DescribeStackResources(ctx, &cloudformation.DescribeStackResourcesInput{StackName: aws.String(stackName)})
	if err != nil {
		return nil, fmt.Errorf("list the stack's resources: %w", err)
	}
	ids := map[string]string{}
	for _, resource := range resources.StackResources {
		ids[aws.ToString(resource.LogicalResourceId)] = aws.ToString(resource.PhysicalResourceId)
	}
	return ids, nil
}

func (c cloud) repairAPI(ctx context.Context, apiID string, api httpAPI, physical map[string]string) error {
	integrations, err := c.integrations(ctx, apiID, api, physical)
	if err != nil {
		return err
	}
	have, err := c.api.GetRoutes(ctx, &apigatewayv2.GetRoutesInput{ApiId: aws.String(apiID)})
	if err != nil {
		return err
	}
	present := map[string]apitypes.Route{}
	for _, r := range have.Items {
		present[aws.ToString(r.RouteKey)] = r
	}
	for _, r := range api.Routes {
		target := "integrations/" + integrations[r.Function]
		old, ok := present[r.Key]
		delete(present, r.Key)
		switch {
		case !ok:
			_, err = c.api.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{
				ApiId: aws.String(apiID), RouteKey: aws.String(r.Key), Target: aws.String(target),
			})
		case aws.ToString(old.Target) != target:
			_, err = c.api.UpdateRoute(ctx, &apigatewayv2.UpdateRouteInput{
				ApiId: aws.String(apiID), RouteId: old.RouteId, Target: aws.String(target),
			})
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.Key, err)
		}
	}
	for key, r := range present {
		if _, err := c.api.DeleteRoute(ctx, &apigatewayv2.DeleteRouteInput{ApiId: aws.String(apiID), RouteId: r.RouteId}); err != nil {
			return fmt.Errorf("remove %s: %w", key, err)
		}
	}
	if api.CORS == nil {
		return nil
	}
	_, err = c.api.UpdateApi(ctx, &apigatewayv2.UpdateApiInput{
		ApiId: aws.String(apiID),
		CorsConfiguration: &apitypes.Cors{
			AllowOrigins: api.CORS.AllowOrigins, AllowMethods: api.CORS.AllowMethods, AllowHeaders: api.CORS.AllowHeaders,
			ExposeHeaders: api.CORS.ExposeHeaders, MaxAge: aws.Int32(api.CORS.MaxAge), AllowCredentials: aws.Bool(api.CORS.AllowCredentials),
		},
	})
	return err
}

// integrations makes one integration per function and returns their IDs by the functions' logical IDs.
func (c cloud) integrations(ctx context.Context, apiID string, api httpAPI, physical map[string]string) (map[string]string, error) {
	have, err := c.api.GetIntegrations(ctx, &apigatewayv2.GetIntegrationsInput{ApiId: aws.String(apiID)})
	if err != nil {
		return nil, err
	}
	byURI := map[string]string{}
	for _, integration := range have.Items {
		byURI[aws.ToString(integration.IntegrationUri)] = aws.ToString(integration.IntegrationId)
	}
	ids := map[string]string{}
	for _, r := range api.Routes {
		if ids[r.Function] != "" {
			continue
		}
		name := physical[r.Function]
		if name == "" {
			return nil, fmt.Errorf("%s leads to %s, which the stack does not have", r.Key, r.Function)
		}
		uri := fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", region, account, name)
		if ids[r.Function] = byURI[uri]; ids[r.Function] != "" {
			continue
		}
		made, err := c.api.CreateIntegration(ctx, &apigatewayv2.CreateIntegrationInput{
			ApiId: aws.String(apiID), IntegrationType: apitypes.IntegrationTypeAwsProxy,
			IntegrationUri: aws.String(uri), PayloadFormatVersion: aws.String(r.PayloadFormat),
		})
		if err != nil {
			return nil, err
		}
		ids[r.Function] = aws.ToString(made.IntegrationId)
	}
	return ids, nil
}
