package main

import "strings"

// domain is one area of a company's tools: its namespace, one and many of its
// things, and what such a thing is, as its documentation would say.
type domain struct{ space, one, many, is string }

var domains = []domain{
	{"orders", "order", "orders", "An order is what a buyer wants to have delivered."},
	{"invoices", "invoice", "invoices", "An invoice is the bill that a client has to pay."},
	{"refunds", "refund", "refunds", "A refund gives a buyer the money back."},
	{"shipments", "shipment", "shipments", "A shipment is a parcel on its way to the recipient."},
	{"products", "product", "products", "A product is an article for sale in the shop."},
	{"coupons", "coupon", "coupons", "A coupon is a discount code for the checkout."},
	{"suppliers", "supplier", "suppliers", "A supplier is a company that we buy material from."},
	{"warehouses", "warehouse", "warehouses", "A warehouse is a building where stock is stored."},
	{"subscriptions", "subscription", "subscriptions", "A subscription is a plan that renews every month."},
	{"customers", "customer", "customers", "A customer is a person or company that buys from us."},
	{"tickets", "ticket", "tickets", "A ticket is a support request about a problem."},
	{"leads", "lead", "leads", "A lead is somebody who may buy one day, in sales."},
	{"campaigns", "campaign", "campaigns", "A campaign is advertising by mail or on the web."},
	{"surveys", "survey", "surveys", "A survey is a list of questions that people answer."},
	{"posts", "post", "posts", "A post is an article on the blog."},
	{"employees", "employee", "employees", "An employee is a member of the staff."},
	{"candidates", "candidate", "candidates", "A candidate is an applicant for an open job."},
	{"payslips", "payslip", "payslips", "A payslip shows somebody's monthly salary."},
	{"leaves", "leave", "leaves", "A leave is vacation or time off from work."},
	{"trainings", "training", "trainings", "A training is a course in which staff learns something."},
	{"meetings", "meeting", "meetings", "A meeting is an appointment in the calendar with several people."},
	{"rooms", "room", "rooms", "A room is a place in the office for conferences."},
	{"tasks", "task", "tasks", "A task is a to-do with a due date."},
	{"projects", "project", "projects", "A project is planned work with milestones."},
	{"documents", "document", "documents", "A document is a text file or a spreadsheet in the drive."},
	{"contracts", "contract", "contracts", "A contract is a legal agreement that was signed."},
	{"expenses", "expense", "expenses", "An expense is a receipt for travel costs to be reimbursed."},
	{"budgets", "budget", "budgets", "A budget is the money a department may spend in a year."},
	{"accounts", "account", "accounts", "An account holds money at the bank."},
	{"loans", "loan", "loans", "A loan is borrowed money with interest, such as a mortgage."},
	{"claims", "claim", "claims", "A claim asks the insurance to pay for a damage."},
	{"servers", "server", "servers", "A server is a machine in the data centre."},
	{"deployments", "deployment", "deployments", "A deployment is a release of software to production."},
	{"databases", "database", "databases", "A database holds tables of data, such as PostgreSQL."},
	{"domains", "domain", "domains", "A domain is a web address with its DNS records."},
	{"certificates", "certificate", "certificates", "A certificate is for TLS encryption and expires."},
	{"alerts", "alert", "alerts", "An alert is an alarm of the monitoring."},
	{"flags", "flag", "flags", "A flag switches a feature of the software on or off."},
	{"bugs", "bug", "bugs", "A bug is a defect in the software that somebody reported."},
	{"keys", "key", "keys", "A key gives programs access to the API."},
	{"patients", "patient", "patients", "A patient is a person whom doctors treat."},
	{"prescriptions", "prescription", "prescriptions", "A prescription says which medicine to take."},
	{"flights", "flight", "flights", "A flight is a journey by plane from airport to airport."},
	{"hotels", "hotel", "hotels", "A hotel is accommodation for the night."},
	{"vehicles", "vehicle", "vehicles", "A vehicle is a car or truck of the fleet."},
	{"recipes", "recipe", "recipes", "A recipe says how to cook a dish, with its ingredients."},
	{"playlists", "playlist", "playlists", "A playlist is a list of songs to listen to."},
	{"photos", "photo", "photos", "A photo is a picture in an album."},
	{"sensors", "sensor", "sensors", "A sensor measures temperature or humidity."},
	{"students", "student", "students", "A student is a pupil who goes to school."},
}

// verb is what can be done in every domain: {one} and {many} stand for its things.
type verb struct{ name, says string }

var verbs = []verb{
	{"create", "Create a new {one}."},
	{"get", "Show one {one} with all its details."},
	{"list", "List all {many}, page by page."},
	{"search", "Search for {many} by words in them."},
	{"update", "Change fields of a {one}."},
	{"delete", "Delete a {one} for good."},
	{"archive", "Put a {one} away into the archive."},
	{"restore", "Bring a {one} back from the archive."},
	{"approve", "Approve a {one} that waits for a decision."},
	{"reject", "Reject a {one} that waits for a decision."},
	{"assign", "Assign a {one} to somebody who takes care of it."},
	{"share", "Share a {one} with another person, who may then see it."},
	{"export", "Export {many} into a CSV file."},
	{"import", "Import {many} from a CSV file."},
	{"count", "Count how many {many} there are."},
	{"comment", "Add a comment to a {one}."},
	{"history", "Show who changed a {one} and when."},
	{"duplicate", "Make a copy of a {one}."},
	{"merge", "Merge two {many} that are the same into one."},
	{"remind", "Set a reminder about a {one} for a later day."},
}

type entry struct{ name, about string }

// catalogue is every domain with every verb: 1000 tools.
func catalogue() (out []entry) {
	for _, d := range domains {
		for _, v := range verbs {
			says := strings.NewReplacer("{one}", d.one, "{many}", d.many).Replace(v.says)
			out = append(out, entry{d.space + "." + v.name, says + " " + d.is})
		}
	}
	return out
}
